import { createHash } from "node:crypto";
import { join } from "node:path";
import * as vscode from "vscode";
import type { ModelState, NtkRequest } from "../sidecar/protocol/messages";
import type { KernelInfo } from "../sidecar/protocol/ntk";
import type { Sidecar } from "./sidecar";
import type { Store } from "./store";

/** What a kernel is computed from: all but where it is kept, and the run that computes it. */
export type KernelRequest = Omit<NtkRequest, "run" | "kernel" | "folder">;

/** What a kernel was computed from, and of which texts of the model's files, by their digests. */
interface Origin {
  readonly request: KernelRequest;
  readonly digests: ModelState["digests"];
}

/** By the kernel's id. */
type Origins = Readonly<Record<string, Origin>>;

const ORIGINS = "kernels";

/**
 * The kernels that were computed in this workspace, and those that are being computed. The sidecar keeps each in a folder of its
 * own, from which another sidecar, or another window, knows it again.
 */
export class Kernels implements vscode.Disposable {
  private readonly known = new Map<string, KernelInfo>();
  private readonly changes = new vscode.EventEmitter<string>();
  /** Tells the id of what has changed, or is there no more. */
  readonly onDidChange = this.changes.event;
  private readonly subscriptions: vscode.Disposable[];

  /** @param memory in which it is kept what each kernel was computed from */
  constructor(
    private readonly sidecar: Sidecar,
    private readonly store: Store,
    private readonly folder: vscode.Uri,
    private readonly memory: vscode.Memento,
  ) {
    this.subscriptions = [
      sidecar.on("kernelscope/kernel", (info) => this.set(info)),
      sidecar.onDidChangeState((state) => {
        if (state === "running") void this.recall();
        else this.interrupted();
      }),
    ];
  }

  all(): readonly KernelInfo[] {
    return [...this.known.values()];
  }

  find(id: string): KernelInfo | undefined {
    return this.known.get(id);
  }

  /** What a kernel was computed from; undefined where it was computed in another workspace, or by another version. */
  requestOf(id: string): KernelRequest | undefined {
    return this.origins[id]?.request;
  }

  /** Whether the model has changed since, as far as is known of it now. */
  isStale({ id, model }: KernelInfo): boolean {
    const now = this.store.find(model)?.digests ?? {};
    return Object.entries(this.origins[id]?.digests ?? {}).some(([file, digest]) => (now[file] ?? digest) !== digest);
  }

  /** The id of the kernel that this gives, and the folder that it is kept in: the same for the same request. */
  async remember(request: KernelRequest): Promise<Pick<NtkRequest, "kernel" | "folder">> {
    const { title: _title, ...asked } = request;
    const kernel = createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 16);
    const digests = this.store.find(request.model)?.digests ?? {};
    await this.memory.update(ORIGINS, { ...this.origins, [kernel]: { request, digests } });
    return { kernel, folder: join(this.folder.fsPath, kernel) };
  }

  /** The .npy file, which is there when the kernel is done. */
  fileOf(id: string): string {
    return join(this.folder.fsPath, id, "kernel.npy");
  }

  /** Removes it, and its parts. Rejects with a sentence while it is being computed. */
  async remove(id: string): Promise<void> {
    const parts = this.all().filter(({ part }) => part?.of === id);
    for (const each of [...parts.map((info) => info.id), id]) {
      await this.sidecar.request("kernelscope/removeKernel", { id: each });
      const { [each]: _gone, ...others } = this.origins;
      await this.memory.update(ORIGINS, others);
      this.known.delete(each);
      this.changes.fire(each);
    }
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.changes.dispose();
  }

  private get origins(): Origins {
    return this.memory.get<Origins>(ORIGINS, {});
  }

  private set(info: KernelInfo): void {
    // Of a run that ended before there was anything nothing is kept
    if (info.status !== "running" && info.fraction === 0) this.known.delete(info.id);
    else this.known.set(info.id, info);
    this.changes.fire(info.id);
  }

  /** Tells a new sidecar of the kernels that are kept. */
  private async recall(): Promise<void> {
    for (const name of await this.kept()) {
      try {
        const info = await this.sidecar.request("kernelscope/openKernel", { folder: join(this.folder.fsPath, name) });
        if (info !== null) this.set(info);
      } catch {
        // It has ended again: the next one is told
        return;
      }
    }
  }

  private async kept(): Promise<string[]> {
    try {
      const members = await vscode.workspace.fs.readDirectory(this.folder);
      return members.filter(([, type]) => type === vscode.FileType.Directory).map(([name]) => name);
    } catch {
      // Nothing was computed yet
      return [];
    }
  }

  /** Whoever computed them has ended. */
  private interrupted(): void {
    for (const info of this.known.values()) {
      if (info.status === "running") this.set({ ...info, status: "cancelled" });
    }
  }
}
