import type { Place, StrategyAnalysis } from "../../protocol/analysis";
import type { ModelState } from "../../protocol/messages";

/** A model as features show it: what is known of it, and where its places are in the texts as they are now. */
export interface Shown {
  readonly state: ModelState;
  /** The path of its file. */
  readonly path: string;
  /** How the user wants its Jacobian computed; null: as is best. */
  readonly chosen: Pick<StrategyAnalysis, "strategy" | "chunk"> | null;
  /** Where a place of the analysis is now; null where its line has been edited. */
  place(place: Place | null): Place | null;
  /** Where a place of the fault is now. */
  faultPlace(place: Place | null): Place | null;
}

/** `residual-net.ts#model` */
export function titleOf({ path, state }: Shown): string {
  const file = path.split(/[\\/]/).pop() ?? path;
  return state.export === null ? file : `${file}#${state.export}`;
}

/** Names of the commands that the extension has, which features offer. */
export const commands = {
  analyze: "kernelscope.analyze",
  cancelAnalysis: "kernelscope.cancelAnalysis",
  showOverview: "kernelscope.showOverview",
  setInputs: "kernelscope.setInputs",
  setArguments: "kernelscope.setArguments",
  setBatch: "kernelscope.setBatchSize",
  setTimeLimit: "kernelscope.setTimeLimit",
  setCodeMemory: "kernelscope.setCodeMemory",
  choosePython: "kernelscope.choosePython",
  chooseDevice: "kernelscope.chooseDevice",
  useStrategy: "kernelscope.useStrategy",
  excludeParameters: "kernelscope.excludeParameters",
  showProblem: "kernelscope.showProblem",
  trust: "workbench.trust.manage",
} as const;
