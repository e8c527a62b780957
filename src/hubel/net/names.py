"""The names of the layers: `conv`, `relu`, ... A layer is named here and nowhere else.

`from hubel.net.names import *` imports these names and `LAYERS`; every other name here begins with an
underscore.
"""

from hubel.net import activations as _activations
from hubel.net import growing as _growing
from hubel.net import layer as _layer
from hubel.net import layers as _layers
from hubel.net import norms as _norms
from hubel.net import sliding as _sliding

conv = _sliding.Conv
convtranspose = _growing.ConvTranspose
maxpool = _sliding.MaxPool
avgpool = _sliding.AvgPool
globalavgpool = _layers.GlobalAvgPool()
adaptiveavgpool = _layers.AdaptiveAvgPool
subsample = _sliding.Subsample()
upsample = _growing.Upsample
relu = _activations.Relu()
relu6 = _activations.Relu(6)
leakyrelu = _activations.LeakyRelu()
prelu = _activations.PRelu()
elu = _activations.Elu()
gelu = _activations.Gelu()
silu = _activations.Silu()
hardswish = _activations.HardSwish()
mish = _activations.Mish()
softplus = _activations.Softplus()
tanh = _activations.Tanh()
sigmoid = _activations.Sigmoid()
hardsigmoid = _activations.HardSigmoid()
lrn = _norms.Lrn()
batchnorm = _norms.BatchNorm()
layernorm = _norms.LayerNorm()
groupnorm = _norms.GroupNorm
layerscale = _norms.LayerScale()
dropout = _layers.Dropout()
droppath = _layers.DropPath()
fc = _layers.Fc
rbf = _layers.Rbf
softmax = _layers.Softmax()
identity = _layers.Identity()
padshortcut = _sliding.PadShortcut
part = _layers.Part
shuffle = _layers.Shuffle

LAYERS: dict[str, type[_layer.Layer] | _layer.Ready] = {
    name: layer for name, layer in tuple(globals().items()) if not name.startswith("_")
}
"""Every layer by its name, in the order above."""
