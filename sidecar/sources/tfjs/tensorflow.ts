import * as tf from "@tensorflow/tfjs";

/** The one instance of TensorFlow.js that user code, saved models and our tracing share. */
export { tf };

/** What TensorFlow.js keeps of an array in a backend: the key of its elements. Its identity is that of the array. */
export type DataId = object;

export type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
