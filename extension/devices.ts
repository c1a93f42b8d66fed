import * as vscode from "vscode";
import type { DeviceInfo } from "../sidecar/protocol/analysis";
import type { Devices as Found } from "../sidecar/protocol/messages";
import type { Sidecar } from "./sidecar";

/** The device that predictions are made for, and all those that can be chosen. */
export class Devices implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private chosen: DeviceInfo | null = null;
  private looking: Promise<Found> | null = null;
  private found: Found | null = null;

  constructor(private readonly sidecar: Sidecar) {
    sidecar.on("kernelscope/device", (device) => {
      this.chosen = device;
      this.changes.fire();
    });
  }

  /** Null before the sidecar has said. */
  get current(): DeviceInfo | null {
    return this.chosen;
  }

  /** What was found when it was last looked for. */
  get known(): Found | null {
    return this.found;
  }

  /** Looks for devices and engines, once; `again` where something may have been installed since. */
  async find(again = false): Promise<Found> {
    if (again) this.looking = null;
    this.looking ??= this.sidecar.request("kernelscope/devices", {});
    try {
      this.found = await this.looking;
    } catch (error) {
      this.looking = null;
      throw error;
    }
    this.changes.fire();
    return this.found;
  }

  dispose(): void {
    this.changes.dispose();
  }
}
