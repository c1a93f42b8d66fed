/** The messages of an ONNX file, as protobufjs gives them as plain objects: what is not in the file is left out. */

export interface TensorMessage {
  readonly name?: string;
  readonly dims: readonly number[];
  readonly dataType?: number;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly number[];
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly number[];
  readonly stringData: readonly Uint8Array[];
  readonly rawData?: Uint8Array;
  readonly dataLocation?: number;
  readonly externalData: readonly Entry[];
}

export interface Entry {
  readonly key?: string;
  readonly value?: string;
}

export interface SparseTensorMessage {
  readonly values?: TensorMessage;
  readonly indices?: TensorMessage;
  readonly dims: readonly number[];
}

export interface AttributeMessage {
  readonly name?: string;
  readonly refAttrName?: string;
  readonly type?: number;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: TensorMessage;
  readonly g?: GraphMessage;
  readonly sparseTensor?: SparseTensorMessage;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly Uint8Array[];
}

export interface NodeMessage {
  readonly name?: string;
  readonly opType?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeMessage[];
  readonly metadataProps: readonly Entry[];
}

export interface TypeMessage {
  readonly tensorType?: { readonly elemType?: number; readonly shape?: { readonly dim: readonly DimensionMessage[] } };
  readonly sequenceType?: object;
  readonly mapType?: object;
  readonly optionalType?: object;
  readonly sparseTensorType?: object;
}

export interface DimensionMessage {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

export interface ValueInfoMessage {
  readonly name?: string;
  readonly type?: TypeMessage;
}

export interface GraphMessage {
  readonly name?: string;
  readonly node: readonly NodeMessage[];
  readonly initializer: readonly TensorMessage[];
  readonly sparseInitializer: readonly SparseTensorMessage[];
  readonly input: readonly ValueInfoMessage[];
  readonly output: readonly ValueInfoMessage[];
  /** What the exporter has inferred of the values in between. */
  readonly valueInfo: readonly ValueInfoMessage[];
}

export interface FunctionMessage {
  readonly name?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attributeProto: readonly AttributeMessage[];
  readonly node: readonly NodeMessage[];
  readonly opsetImport: readonly OperatorSetMessage[];
}

export interface OperatorSetMessage {
  readonly domain?: string;
  readonly version?: number;
}

export interface ModelMessage {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly opsetImport: readonly OperatorSetMessage[];
  readonly graph?: GraphMessage;
  readonly functions: readonly FunctionMessage[];
}
