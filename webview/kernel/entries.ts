import type { KernelEntry, KernelEntryRequest } from "../../sidecar/protocol/ntk";
import type { KernelSource } from "./source";

/** How long the pointer rests on a pair before it is asked about, in milliseconds. */
const rest = 60;
const kept = 64;

interface Asked {
  /** Or a sentence: why there is none. */
  readonly answer: KernelEntry | string;
  readonly version: number;
}

/** What is known of single pairs. Of each kernel, the newest question gives up the one before that was not put yet. */
export class Entries {
  readonly #changed: () => void;
  readonly #known = new Map<string, Asked>();
  /** By the kernel. */
  readonly #next = new Map<string, { readonly key: string; readonly timer: number }>();
  readonly #asking = new Set<string>();

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** What is known of a pair, or why it cannot be; if that is not all, it is asked for. Null before there is an answer. */
  look(source: KernelSource, request: KernelEntryRequest): KernelEntry | string | null {
    const { id, version } = source.info;
    const key = JSON.stringify([id, request.view, request.row, request.column]);
    const known = this.#known.get(key);
    const isWhole = known !== undefined && typeof known.answer !== "string" && known.answer.value !== null;
    const settled = isWhole || known?.version === version;
    const next = this.#next.get(id);
    if (!settled && !this.#asking.has(key) && next?.key !== key) {
      clearTimeout(next?.timer);
      const timer = window.setTimeout(() => void this.#ask(source, request, key), rest);
      this.#next.set(id, { key, timer });
    }
    return known?.answer ?? null;
  }

  async #ask(source: KernelSource, request: KernelEntryRequest, key: string): Promise<void> {
    const { id, version } = source.info;
    this.#next.delete(id);
    this.#asking.add(key);
    try {
      this.#remember(key, { answer: await source.entry(request), version });
    } catch (error) {
      this.#remember(key, { answer: error instanceof Error ? error.message : String(error), version });
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
