import type { KernelInfo, KernelSelection } from "../../sidecar/protocol/ntk";
import type { KernelChoice } from "../../sidecar/protocol/panel";
import type { ExportedFile } from "./export";
import type { KernelSource } from "./source";
import type { KernelViewState } from "./view-state";

/** What the view of kernels is given. */
export interface KernelViewShown {
  readonly source: KernelSource;
  /** The kernel that it is a part of, or itself. */
  readonly whole: KernelInfo;
  /** Beside it, with the difference: of another checkpoint, or another model. */
  readonly other: KernelSource | null;
  readonly choice: KernelChoice;
  readonly change: (choice: Partial<KernelChoice>) => void;
  /** Shows the part of one parameter, which is computed first if need be, or with null the whole. */
  readonly showPart: (parameter: string | null) => void;
  readonly state: KernelViewState;
  /** Writes a file, where the user says. */
  readonly save: (file: ExportedFile) => void;
  /** Writes the numbers of some pairs. */
  readonly saveSelection: (selection: KernelSelection) => void;
}
