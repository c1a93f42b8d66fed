import type { DeviceInfo, StrategyAnalysis } from "../sidecar/protocol/analysis";
import type { MemoryPlan } from "../sidecar/protocol/messages";
import type { FromPanel, PanelMemory, PanelState } from "../sidecar/protocol/panel";
import { strategyKey, type KnownStrategy } from "./strategy-rows";
import { triedOf } from "./trial";

/** What is to be planned. Two wants with the same key have the same answer. */
export interface WantedPlan {
  readonly key: string;
  readonly batch: number;
  readonly device: DeviceInfo;
  /** What is known of the strategies already: all but their timelines. */
  readonly known: readonly StrategyAnalysis[];
}

/** Milliseconds between questions. */
const pause = 50;

/** Each strategy, whole. */
const leastRoom = 4;

/** What the memory view is to ask; null where there is nothing to ask or nobody to answer. */
export function wantedPlan(state: PanelState, memory: PanelMemory): WantedPlan | null {
  const { model, trusted, running } = state;
  const { analysis } = model;
  if (analysis === null || !running || (!trusted && model.kind !== "saved")) return null;
  if (analysis.jacobian.shape.at(-1) === 0) return null;
  const { batch, device } = triedOf(state, analysis, memory);
  // Which evaluation it is of: a state is sent whole, as a copy, whenever anything has changed
  const evaluation = [model.digests, model.milliseconds, model.stale === "restored", analysis.jacobian.shape.slice(1)];
  return { key: JSON.stringify([evaluation, batch, device]), batch, device, known: analysis.strategies };
}

/**
 * Asks for plans, at most one every 50 ms and the newest one last, and gathers what is answered. What was known before
 * is kept until there is something newer.
 */
export class Plans {
  /** The newest whole answer. */
  plan: MemoryPlan | null = null;
  /** Why there is none to the newest question. */
  message: string | null = null;
  /** Of the newest whole answer, and of parts since. */
  known: readonly KnownStrategy[] = [];
  /** The most strategies that have been known at once: they keep their room, so that what is below stays where it is. */
  room = leastRoom;

  private model: string | null = null;
  private wanted: WantedPlan | null = null;
  /** The newest question, and the key of what it asks. */
  private id: string | null = null;
  private asked: string | null = null;
  private isAnswered = true;
  private count = 0;
  private lastAsked = -Infinity;
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** Answers to a page that was there before this one are not for this one. */
  private readonly page = Date.now().toString(36);

  constructor(private readonly post: (message: FromPanel) => void) {}

  /** Whether more is to come. */
  get isPending(): boolean {
    return !this.isAnswered;
  }

  /** The last whole answer is no answer to what is wanted now. */
  get isOutdated(): boolean {
    return this.isPending || this.message !== null;
  }

  want(wanted: WantedPlan): void {
    if (wanted.key === this.wanted?.key) return;
    this.wanted = wanted;
    const known = this.known.length > 0 ? this.known.map(({ strategy }) => strategy) : wanted.known;
    this.learn(known.map((strategy) => ({ strategy, isCurrent: false })));
    this.message = null;
    this.isAnswered = false;
    const wait = this.lastAsked + pause - Date.now();
    if (wait <= 0) this.ask();
    else this.timer ??= setTimeout(() => this.ask(), wait);
  }

  /** Nobody answers now: what was not answered is asked again when somebody does. */
  halt(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (!this.isOutdated) return;
    this.wanted = null;
    this.id = null;
    this.isAnswered = true;
  }

  /** Asks once more what could not be answered. */
  retry(): void {
    this.message = null;
    this.isAnswered = false;
    this.ask();
  }

  /** Which model this is about from now on: what is known of another one is of no use. */
  about(model: string): void {
    if (model === this.model) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.model = model;
    this.wanted = null;
    this.id = null;
    this.isAnswered = true;
    this.plan = null;
    this.message = null;
    this.known = [];
    this.room = leastRoom;
  }

  answered(id: string, plan: MemoryPlan): void {
    if (id !== this.id) return;
    // While a slider moves, answers are shown that are a step behind
    const isCurrent = this.asked === this.wanted?.key;
    this.message = null;
    if (plan.isWhole) {
      this.isAnswered = isCurrent;
      this.plan = plan;
      this.learn(plan.strategies.map((strategy) => ({ strategy, isCurrent })));
      return;
    }
    const newer = new Map(plan.strategies.map((strategy) => [strategyKey(strategy), strategy]));
    const kept = this.known.filter(({ strategy }) => !newer.has(strategyKey(strategy)));
    this.learn([...kept, ...plan.strategies.map((strategy) => ({ strategy, isCurrent }))]);
  }

  refused(id: string, message: string): void {
    if (id !== this.id || this.asked !== this.wanted?.key) return;
    this.isAnswered = true;
    this.message = message;
  }

  private learn(known: readonly KnownStrategy[]): void {
    this.known = known;
    this.room = Math.max(this.room, known.length);
  }

  private ask(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.wanted === null) return;
    this.lastAsked = Date.now();
    this.id = `${this.page}-${++this.count}`;
    const { key, batch, device } = this.wanted;
    this.asked = key;
    this.post({ type: "plan", id: this.id, batch, device });
  }
}
