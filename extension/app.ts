import type { ExtensionContext, LogOutputChannel } from "vscode";
import type { Devices } from "./devices";
import type { Interpreters } from "./interpreters";
import type { Kernels } from "./kernels";
import type { Runs } from "./runs";
import type { Sidecar } from "./sidecar";
import type { Store } from "./store";

/** What features share. Each is told of the others only through this. */
export interface App {
  readonly context: ExtensionContext;
  readonly log: LogOutputChannel;
  readonly sidecar: Sidecar;
  readonly store: Store;
  readonly runs: Runs;
  readonly kernels: Kernels;
  readonly devices: Devices;
  readonly interpreters: Interpreters;
}
