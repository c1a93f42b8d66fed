import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import type { ValueType } from "../../graph/types";
import { activeTrace, readWhileTracing } from "./trace";
import type { DataId, TensorInfo } from "./tensorflow";

type Values = ReturnType<MathBackendCPU["readSync"]>;

/**
 * TensorFlow.js's own cpu backend, in which some arrays have no elements: they stand for values of a graph that is being
 * traced, or for what such a trace left behind.
 */
export class RecordingBackend extends MathBackendCPU {
  /** A new array without elements. */
  placeholder(type: ValueType): TensorInfo {
    const dataId: DataId = {};
    const dtype = type.dtype === "float64" ? "float32" : type.dtype;
    this.data.set(dataId, { dtype, refCount: 1 });
    return { dataId, shape: [...type.shape], dtype };
  }

  /** Whether the elements are known; a complex array has none of its own but in its parts. */
  hasElements(dataId: DataId): boolean {
    const entry = this.data.get(dataId);
    return entry.values !== undefined || entry.complexTensorInfos !== undefined;
  }

  override readSync(dataId: DataId): Values {
    if (activeTrace()?.isSymbolic(dataId) || !this.hasElements(dataId)) throw readWhileTracing(dataId);
    return super.readSync(dataId);
  }

  override read(dataId: DataId): Promise<Values> {
    return Promise.resolve(this.readSync(dataId));
  }
}
