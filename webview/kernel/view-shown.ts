import type { KernelSelection, LearningCurve } from "../../sidecar/protocol/ntk";
import type { ExportedFile } from "./export";
import type { KernelSource } from "./source";
import type { KernelChoice, KernelViewState } from "./view-state";

/** What the view of kernels is given. */
export interface KernelViewShown {
  readonly source: KernelSource;
  /** Beside it, with the difference: of another checkpoint, or another model. */
  readonly other: KernelSource | null;
  readonly curve: LearningCurve | null;
  readonly choice: KernelChoice;
  readonly change: (choice: Partial<KernelChoice>) => void;
  readonly state: KernelViewState;
  /** Writes a file, where the user says. */
  readonly save: (file: ExportedFile) => void;
  /** Writes the numbers of some pairs. */
  readonly saveSelection: (selection: KernelSelection) => void;
}
