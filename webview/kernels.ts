import type {
  KernelQuestions,
  ModelRef,
  SentKernelArrangement,
  SentKernelAxis,
  SentKernelEntry,
  SentKernelTile,
} from "../sidecar/protocol/messages";
import type { KernelAxis, KernelInfo } from "../sidecar/protocol/ntk";
import type { FromPanel, KernelChoice } from "../sidecar/protocol/panel";
import type { KernelSource } from "./kernel/source";
import type { KernelViewShown } from "./kernel/view-shown";
import { KernelViewState } from "./kernel/view-state";

type Answer = KernelQuestions[keyof KernelQuestions]["result"];

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The kernels that the extension tells of, and questions about them. A kernel's source stays the same object for as long
 * as the page lives: by it the view knows what it has drawn.
 */
export class Kernels {
  readonly state: KernelViewState;
  // The same functions each time: what is drawn with them once is not drawn again
  readonly choose: KernelViewShown["change"];
  readonly save: KernelViewShown["save"];
  readonly saveSelection: KernelViewShown["saveSelection"];
  private readonly infos = new Map<string, KernelInfo>();
  private readonly sources = new Map<string, KernelSource>();
  private readonly waiting = new Map<number, Waiting>();
  /** Answers to a page that was there before this one are not for this one. */
  private count = Date.now();

  /** @param choose keeps how kernels are looked at */
  constructor(
    private readonly post: (message: FromPanel) => void,
    choose: (choice: Partial<KernelChoice>) => void,
    update: () => void,
  ) {
    this.state = new KernelViewState(update);
    this.choose = choose;
    this.save = ({ name, content }) => post({ type: "saveFile", name, content });
    this.saveSelection = ({ rows, columns, ...selection }) =>
      post({ type: "saveEntries", selection: { ...selection, rows: [...rows], columns: [...columns] } });
  }

  /** Whole kernels, of any model: the newest last. */
  get wholes(): KernelInfo[] {
    return [...this.infos.values()].filter(({ part }) => part === null);
  }

  of({ uri, export: name }: ModelRef): KernelInfo[] {
    return this.wholes.filter(({ model }) => model.uri === uri && model.export === name);
  }

  find(id: string): KernelInfo | null {
    return this.infos.get(id) ?? null;
  }

  partOf(whole: string, parameter: string): KernelInfo | null {
    const isIt = ({ part }: KernelInfo): boolean => part?.of === whole && part.parameter === parameter;
    return [...this.infos.values()].find(isIt) ?? null;
  }

  set(infos: readonly KernelInfo[]): void {
    this.infos.clear();
    for (const info of infos) this.infos.set(info.id, info);
  }

  change(id: string, info: KernelInfo | null): void {
    if (info === null) this.infos.delete(id);
    else this.infos.set(id, info);
  }

  /** Of a kernel that is known. */
  source(id: string): KernelSource {
    const known = this.sources.get(id);
    if (known !== undefined) return known;
    const source = this.newSource(id, this.infos.get(id)!);
    this.sources.set(id, source);
    return source;
  }

  answered(id: number, answer: Answer): void {
    this.waiting.get(id)?.resolve(answer);
    this.waiting.delete(id);
  }

  refused(id: number, message: string): void {
    this.waiting.get(id)?.reject(new Error(message));
    this.waiting.delete(id);
  }

  private newSource(id: string, first: KernelInfo): KernelSource {
    const { infos } = this;
    let last = first;
    return {
      // What is on the screen may ask once more about one that was removed
      get info() {
        last = infos.get(id) ?? last;
        return last;
      },
      tile: async (params, signal) => {
        const { values, ...tile } = (await this.ask(
          { method: "kernelscope/kernelTile", params },
          signal,
        )) as SentKernelTile;
        return { ...tile, values: floatsOf(values) };
      },
      entry: async (params) => {
        const { block, ...entry } = (await this.ask({ method: "kernelscope/kernelEntry", params })) as SentKernelEntry;
        return { ...entry, block: block && Float32Array.from(block) };
      },
      arrangement: async (params) => {
        const { rows, columns, ...arrangement } = (await this.ask({
          method: "kernelscope/kernelArrangement",
          params,
        })) as SentKernelArrangement;
        return { ...arrangement, rows: axisOf(rows), columns: columns && axisOf(columns) };
      },
    };
  }

  private ask(question: Asked, signal?: AbortSignal): Promise<Answer> {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => {
        if (!this.waiting.has(id)) return;
        this.refused(id, "It is not wanted any more.");
        this.post({ type: "giveUp", id });
      });
      this.post({ type: "ask", id, ...question });
    });
  }
}

type Asked = {
  [M in keyof KernelQuestions]: { method: M; params: KernelQuestions[M]["params"] };
}[keyof KernelQuestions];

/** Float32, little endian, in base64. */
function floatsOf(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

function axisOf({ examples, groups }: SentKernelAxis): KernelAxis {
  return { examples: Uint32Array.from(examples), groups };
}
