import type { KernelEntry, KernelEntryRequest } from "../../sidecar/protocol/ntk";
import type { KernelSource } from "./source";

/** How long the pointer rests on a pair before it is asked about, in milliseconds. */
const rest = 60;
const kept = 64;

interface Asked {
  readonly entry: KernelEntry;
  readonly version: number;
}

/** What is known of single pairs. Of each kernel, the newest question gives up the one before that was not put yet. */
export class Entries {
  readonly #changed: () => void;
  readonly #known = new Map<string, Asked>();
  /** By the kernel. */
  readonly #next = new Map<string, { readonly key: string; readonly timer: number }>();
  readonly #asking = new Set<string>();
  /** A sentence: why the newest could not be had. */
  failure: string | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** What is known of a pair; if that is not all, it is asked for. */
  look(source: KernelSource, request: KernelEntryRequest): KernelEntry | null {
    const { id, version } = source.info;
    const key = JSON.stringify([id, request.view, request.parameter, request.row, request.column]);
    const known = this.#known.get(key);
    const settled = known !== undefined && (known.entry.value !== null || known.version === version);
    const next = this.#next.get(id);
    if (!settled && !this.#asking.has(key) && next?.key !== key) {
      clearTimeout(next?.timer);
      const timer = window.setTimeout(() => void this.#ask(source, request, key), rest);
      this.#next.set(id, { key, timer });
    }
    return known?.entry ?? null;
  }

  async #ask(source: KernelSource, request: KernelEntryRequest, key: string): Promise<void> {
    const { id, version } = source.info;
    this.#next.delete(id);
    this.#asking.add(key);
    try {
      this.#remember(key, { entry: await source.entry(request), version });
      this.failure = null;
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      this.#remember(key, { entry: { ...request, value: null, block: null }, version });
    }
    this.#asking.delete(key);
    this.#changed();
  }

  #remember(key: string, asked: Asked): void {
    this.#known.delete(key);
    this.#known.set(key, asked);
    for (const old of this.#known.keys()) {
      if (this.#known.size <= kept) break;
      this.#known.delete(old);
    }
  }
}
