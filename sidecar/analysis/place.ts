import { onnxruntimePeakBytes } from "../engines/onnxruntime/memory";
import { tensorflowPeakBytes } from "../engines/tensorflow/memory";
import type { Place, Speed } from "../planner/strategies";
import type { DeviceInfo } from "../protocol/analysis";

/** Of a laptop's CPU and of a middling card, to within a factor of some: they are only compared with themselves. */
const speeds: Record<"host" | "card", Speed> = {
  host: { flopsPerSecond: 1e11, bytesPerSecond: 1e10, secondsPerOperation: 2e-5 },
  card: { flopsPerSecond: 1e13, bytesPerSecond: 5e11, secondsPerOperation: 2e-5 },
};

/** A device as the planner sees it, with the engine that computes there: onnxruntime on the CPU, TensorFlow on a card. */
export function placeOn({ memoryBytes, reservedBytes = 0, kind = "card" }: DeviceInfo): Place {
  return {
    memoryBytes,
    reservedBytes,
    enginePeakBytes: kind === "host" ? onnxruntimePeakBytes : tensorflowPeakBytes,
    speed: speeds[kind],
  };
}
