"""The messages of Caffe's files, as far as they say what a network is.

Only the numbers and names of fields are Caffe's; what is not listed here is passed over. Source: caffe.proto.
"""

from __future__ import annotations

from functools import cache
from typing import Any

MESSAGES = {
    "Net": "name 1 string, layers 2 V1Layer*, input 3 string*, input_dim 4 int32*, input_shape 8 "
    "Shape*, layer 100 Layer*",
    "Shape": "dim 1 int64*",
    "Rule": "phase 1 Phase",
    "Layer": "name 1 string, type 2 string, bottom 3 string*, top 4 string*, include 8 Rule*, "
    "transform_param 100 Transform, concat_param 104 Concat, convolution_param 106 "
    "Convolution, dropout_param 108 Dropout, eltwise_param 110 Eltwise, inner_product_param "
    "117 InnerProduct, lrn_param 118 Lrn, pooling_param 121 Pooling, power_param 122 Power, "
    "relu_param 123 Relu, softmax_param 125 Softmax, slice_param 126 Slice, prelu_param 131 "
    "PRelu, reshape_param 133 Reshape, batch_norm_param 139 BatchNorm, elu_param 140 Elu, "
    "scale_param 142 Scale, "
    "input_param 143 Input",
    "V1Layer": "bottom 2 string*, top 3 string*, name 4 string, type 5 V1Type, include 32 Rule*, "
    "transform_param 36 Transform, concat_param 9 Concat, convolution_param 10 Convolution, "
    "dropout_param 12 Dropout, eltwise_param 24 Eltwise, inner_product_param 17 InnerProduct, "
    "lrn_param 18 Lrn, pooling_param 19 Pooling, power_param 21 Power, relu_param 30 Relu, "
    "slice_param 31 Slice, softmax_param 39 Softmax",
    "Transform": "scale 1 float, crop_size 3 uint32, mean_value 5 float*",
    "Concat": "concat_dim 1 uint32, axis 2 int32",
    "Convolution": "num_output 1 uint32, bias_term 2 bool, pad 3 uint32*, kernel_size 4 uint32*, group 5 "
    "uint32, stride 6 uint32*, pad_h 9 uint32, pad_w 10 uint32, kernel_h 11 uint32, kernel_w "
    "12 uint32, stride_h 13 uint32, stride_w 14 uint32, dilation 18 uint32*",
    "Dropout": "dropout_ratio 1 float",
    "Eltwise": "operation 1 Operation, coeff 2 float*",
    "InnerProduct": "num_output 1 uint32, bias_term 2 bool, axis 5 int32, transpose 6 bool",
    "Lrn": "local_size 1 uint32, alpha 2 float, beta 3 float, norm_region 4 Region, k 5 float",
    "Pooling": "pool 1 Method, kernel_size 2 uint32, stride 3 uint32, pad 4 uint32, kernel_h 5 uint32, "
    "kernel_w 6 uint32, stride_h 7 uint32, stride_w 8 uint32, pad_h 9 uint32, pad_w 10 "
    "uint32, global_pooling 12 bool, round_mode 13 Rounding",
    "Power": "power 1 float, scale 2 float, shift 3 float",
    "Relu": "negative_slope 1 float",
    "Softmax": "axis 2 int32",
    "Slice": "slice_dim 1 uint32, slice_point 2 uint32*, axis 3 int32",
    "PRelu": "channel_shared 2 bool",
    "Reshape": "shape 1 Shape, axis 2 int32, num_axes 3 int32",
    "BatchNorm": "moving_average_fraction 2 float, eps 3 float",
    "Elu": "alpha 1 float",
    "Scale": "axis 1 int32, bias_term 4 bool",
    "Input": "shape 1 Shape*",
}
"""Each message: its fields, each with its number and its type, with `*` for a field that repeats."""

ENUMS = {
    "Phase": "TRAIN TEST",
    "Operation": "PROD SUM MAX",
    "Region": "ACROSS_CHANNELS WITHIN_CHANNEL",
    "Method": "MAX AVE STOCHASTIC",
    "Rounding": "CEIL FLOOR",
    "V1Type": "NONE ACCURACY BNLL CONCAT CONVOLUTION DATA DROPOUT EUCLIDEAN_LOSS FLATTEN HDF5_DATA "
    "HDF5_OUTPUT IM2COL IMAGE_DATA INFOGAIN_LOSS INNER_PRODUCT LRN MULTINOMIAL_LOGISTIC_LOSS "
    "POOLING RELU SIGMOID SOFTMAX SOFTMAX_LOSS SPLIT TANH WINDOW_DATA ELTWISE POWER "
    "SIGMOID_CROSS_ENTROPY_LOSS HINGE_LOSS MEMORY_DATA ARGMAX THRESHOLD DUMMY_DATA SLICE MVN "
    "ABSVAL SILENCE CONTRASTIVE_LOSS EXP DECONVOLUTION",
}
"""Each enumeration: its names, from number 0."""

PACKAGE = "hubel.caffe"
SCALARS = {"string": 9, "int32": 5, "int64": 3, "uint32": 13, "float": 2, "bool": 8}
"""The numbers of types. Source: descriptor.proto, `FieldDescriptorProto.Type`."""

MESSAGE, ENUM = 11, 14


@cache
def message(name: str) -> Any:
    """Returns the class of a message."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="hubel_caffe.proto", package=PACKAGE, syntax="proto2")
    for own, fields in MESSAGES.items():
        made = file.message_type.add(name=own)
        for each in fields.split(", "):
            field, number, kind = each.split()
            repeated, kind = kind.endswith("*"), kind.rstrip("*")
            added = made.field.add(name=field, number=int(number), label=3 if repeated else 1)
            added.type = SCALARS.get(kind) or (ENUM if kind in ENUMS else MESSAGE)
            if kind in ENUMS:  # within the message: two enumerations have a MAX
                enum = made.enum_type.add(name=kind)
                for value, name_of in enumerate(ENUMS[kind].split()):
                    enum.value.add(name=name_of, number=value)
                added.type_name = f".{PACKAGE}.{own}.{kind}"
            elif kind not in SCALARS:
                added.type_name = f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
