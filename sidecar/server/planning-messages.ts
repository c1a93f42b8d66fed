import type { PlannedKernels } from "../analysis/ntk";
import type { ChosenStrategy, Planned, PlannedModel } from "../analysis/strategies";
import type { DeviceInfo } from "../protocol/analysis";

/** What the sidecar and its planning thread say to each other. */

export interface PlanJob {
  readonly id: number;
  /** A model that was loaded. */
  readonly key: string;
  readonly batch: number;
  readonly device: DeviceInfo;
  readonly chosen: ChosenStrategy | null;
  /** Somebody watches: it goes before others, and is told in parts. */
  readonly isWatched: boolean;
}

/** Kernels come after everything else. */
export type KernelsJob = Pick<PlanJob, "id" | "key" | "batch" | "device">;

export type ToPlanning =
  | { readonly kind: "load"; readonly key: string; readonly model: PlannedModel }
  | { readonly kind: "forget"; readonly key: string }
  | { readonly kind: "plan"; readonly job: PlanJob }
  | { readonly kind: "plan-kernels"; readonly job: KernelsJob }
  | { readonly kind: "cancel"; readonly id: number };

export type FromPlanning =
  /** What is known so far. */
  | { readonly kind: "part"; readonly id: number; readonly planned: Planned }
  | { readonly kind: "done"; readonly id: number; readonly planned: Planned | PlannedKernels }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };
