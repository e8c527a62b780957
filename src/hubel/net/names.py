"""The names of the layers: `conv`, `relu`, ... A layer is named here and nowhere else.

`from hubel.net.names import *` imports these names and `LAYERS`; every other name here begins with an
underscore.
"""

from hubel.net import layer as _layer
from hubel.net import layers as _layers
from hubel.net import sliding as _sliding

conv = _sliding.Conv
maxpool = _sliding.MaxPool
avgpool = _sliding.AvgPool
globalavgpool = _layers.GlobalAvgPool()
adaptiveavgpool = _layers.AdaptiveAvgPool
subsample = _sliding.Subsample()
relu = _layers.Relu()
relu6 = _layers.Relu(6)
tanh = _layers.Tanh()
sigmoid = _layers.Sigmoid()
gelu = _layers.Gelu()
lrn = _layers.Lrn()
batchnorm = _layers.BatchNorm()
dropout = _layers.Dropout()
fc = _layers.Fc
rbf = _layers.Rbf
softmax = _layers.Softmax()
identity = _layers.Identity()
padshortcut = _sliding.PadShortcut

LAYERS: dict[str, type[_layer.Layer] | _layer.Ready] = {
    name: layer for name, layer in tuple(globals().items()) if not name.startswith("_")
}
"""Every layer by its name, in the order above."""
