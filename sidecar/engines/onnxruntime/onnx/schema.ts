import protobuf from "protobufjs/light.js";

/**
 * The messages of onnx.proto (ONNX IR version 10), as a descriptor from which protobufjs makes its encoders and
 * decoders. Names and numbers are the standard's; deprecated and training-only fields are left out.
 */

type Field = readonly [name: string, id: number, type: string, rule?: "repeated"];

const message = (...fields: Field[]): protobuf.IType => ({
  fields: Object.fromEntries(fields.map(([name, id, type, rule]) => [name, rule ? { id, type, rule } : { id, type }])),
});

const descriptor: protobuf.INamespace = {
  options: { syntax: "proto2" },
  nested: {
    onnx: {
      nested: {
        ModelProto: message(
          ["irVersion", 1, "int64"],
          ["opsetImport", 8, "OperatorSetIdProto", "repeated"],
          ["producerName", 2, "string"],
          ["producerVersion", 3, "string"],
          ["domain", 4, "string"],
          ["modelVersion", 5, "int64"],
          ["docString", 6, "string"],
          ["graph", 7, "GraphProto"],
          ["metadataProps", 14, "StringStringEntryProto", "repeated"],
          ["functions", 25, "FunctionProto", "repeated"],
        ),
        OperatorSetIdProto: message(["domain", 1, "string"], ["version", 2, "int64"]),
        StringStringEntryProto: message(["key", 1, "string"], ["value", 2, "string"]),
        GraphProto: message(
          ["node", 1, "NodeProto", "repeated"],
          ["name", 2, "string"],
          ["initializer", 5, "TensorProto", "repeated"],
          ["sparseInitializer", 15, "SparseTensorProto", "repeated"],
          ["docString", 10, "string"],
          ["input", 11, "ValueInfoProto", "repeated"],
          ["output", 12, "ValueInfoProto", "repeated"],
          ["valueInfo", 13, "ValueInfoProto", "repeated"],
          ["quantizationAnnotation", 14, "TensorAnnotation", "repeated"],
          ["metadataProps", 16, "StringStringEntryProto", "repeated"],
        ),
        TensorAnnotation: message(
          ["tensorName", 1, "string"],
          ["quantParameterTensorNames", 2, "StringStringEntryProto", "repeated"],
        ),
        NodeProto: message(
          ["input", 1, "string", "repeated"],
          ["output", 2, "string", "repeated"],
          ["name", 3, "string"],
          ["opType", 4, "string"],
          ["domain", 7, "string"],
          ["overload", 8, "string"],
          ["attribute", 5, "AttributeProto", "repeated"],
          ["docString", 6, "string"],
          ["metadataProps", 9, "StringStringEntryProto", "repeated"],
        ),
        FunctionProto: message(
          ["name", 1, "string"],
          ["input", 4, "string", "repeated"],
          ["output", 5, "string", "repeated"],
          ["attribute", 6, "string", "repeated"],
          ["attributeProto", 11, "AttributeProto", "repeated"],
          ["node", 7, "NodeProto", "repeated"],
          ["docString", 8, "string"],
          ["opsetImport", 9, "OperatorSetIdProto", "repeated"],
          ["domain", 10, "string"],
          ["overload", 13, "string"],
          ["valueInfo", 12, "ValueInfoProto", "repeated"],
          ["metadataProps", 14, "StringStringEntryProto", "repeated"],
        ),
        AttributeProto: {
          ...message(
            ["name", 1, "string"],
            ["refAttrName", 21, "string"],
            ["docString", 13, "string"],
            ["type", 20, "AttributeType"],
            ["f", 2, "float"],
            ["i", 3, "int64"],
            ["s", 4, "bytes"],
            ["t", 5, "TensorProto"],
            ["g", 6, "GraphProto"],
            ["sparseTensor", 22, "SparseTensorProto"],
            ["tp", 14, "TypeProto"],
            ["floats", 7, "float", "repeated"],
            ["ints", 8, "int64", "repeated"],
            ["strings", 9, "bytes", "repeated"],
            ["tensors", 10, "TensorProto", "repeated"],
            ["graphs", 11, "GraphProto", "repeated"],
            ["sparseTensors", 23, "SparseTensorProto", "repeated"],
            ["typeProtos", 15, "TypeProto", "repeated"],
          ),
          nested: {
            AttributeType: {
              values: {
                UNDEFINED: 0, FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, SPARSE_TENSOR: 11, TYPE_PROTO: 13,
                FLOATS: 6, INTS: 7, STRINGS: 8, TENSORS: 9, GRAPHS: 10, SPARSE_TENSORS: 12, TYPE_PROTOS: 14,
              }, // prettier-ignore
            },
          },
        },
        ValueInfoProto: message(
          ["name", 1, "string"],
          ["type", 2, "TypeProto"],
          ["docString", 3, "string"],
          ["metadataProps", 4, "StringStringEntryProto", "repeated"],
        ),
        TensorProto: {
          ...message(
            ["dims", 1, "int64", "repeated"],
            ["dataType", 2, "int32"],
            ["segment", 3, "Segment"],
            ["floatData", 4, "float", "repeated"],
            ["int32Data", 5, "int32", "repeated"],
            ["stringData", 6, "bytes", "repeated"],
            ["int64Data", 7, "int64", "repeated"],
            ["name", 8, "string"],
            ["docString", 12, "string"],
            ["rawData", 9, "bytes"],
            ["externalData", 13, "StringStringEntryProto", "repeated"],
            ["dataLocation", 14, "DataLocation"],
            ["doubleData", 10, "double", "repeated"],
            ["uint64Data", 11, "uint64", "repeated"],
            ["metadataProps", 16, "StringStringEntryProto", "repeated"],
          ),
          nested: {
            Segment: message(["begin", 1, "int64"], ["end", 2, "int64"]),
            DataLocation: { values: { DEFAULT: 0, EXTERNAL: 1 } },
          },
        },
        SparseTensorProto: message(
          ["values", 1, "TensorProto"],
          ["indices", 2, "TensorProto"],
          ["dims", 3, "int64", "repeated"],
        ),
        TensorShapeProto: {
          ...message(["dim", 1, "Dimension", "repeated"]),
          nested: {
            Dimension: {
              ...message(["dimValue", 1, "int64"], ["dimParam", 2, "string"], ["denotation", 3, "string"]),
              oneofs: { value: { oneof: ["dimValue", "dimParam"] } },
            },
          },
        },
        TypeProto: {
          ...message(
            ["tensorType", 1, "Tensor"],
            ["sequenceType", 4, "Sequence"],
            ["mapType", 5, "Map"],
            ["optionalType", 9, "Optional"],
            ["sparseTensorType", 8, "SparseTensor"],
            ["denotation", 6, "string"],
          ),
          oneofs: {
            value: { oneof: ["tensorType", "sequenceType", "mapType", "optionalType", "sparseTensorType"] },
          },
          nested: {
            Tensor: message(["elemType", 1, "int32"], ["shape", 2, "TensorShapeProto"]),
            Sequence: message(["elemType", 1, "TypeProto"]),
            Map: message(["keyType", 1, "int32"], ["valueType", 2, "TypeProto"]),
            Optional: message(["elemType", 1, "TypeProto"]),
            SparseTensor: message(["elemType", 1, "int32"], ["shape", 2, "TensorShapeProto"]),
          },
        },
      },
    },
  },
};

/** Numbers of element types (`TensorProto.DataType`). */
export const elementTypes = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9,
  float16: 10, float64: 11, uint32: 12, uint64: 13, complex64: 14, complex128: 15, bfloat16: 16,
} as const; // prettier-ignore

/** Numbers of attribute types (`AttributeProto.AttributeType`). */
export const attributeTypes = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;

let root: protobuf.Root | null = null;

/** The protobuf type `ModelProto`, and through it all the others. Made on first use. */
export function modelProto(): protobuf.Type {
  root ??= protobuf.Root.fromJSON(descriptor);
  return root.lookupType("onnx.ModelProto");
}
