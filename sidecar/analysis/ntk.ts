import { ModelError } from "../graph/errors";
import { planNtk, planningTiles, quickestOf, type NtkPlan, type NtkSubject, type TiledPlan } from "../planner/ntk";
import type { Place } from "../planner/strategies";
import type { Diagnostic, NtkAnalysis } from "../protocol/analysis";
import { ntkForms, ntkMethods, type NtkForm } from "../quantities/ntk";
import { placeOf } from "./source";
import { trainableOf, type PlannedModel } from "./strategies";

export interface PlannedKernels {
  readonly ntk: readonly NtkAnalysis[];
  /** Why there is none, where that is not known without planning. */
  readonly diagnostics: readonly Diagnostic[];
}

export const noKernels: PlannedKernels = { ntk: [], diagnostics: [] };

/** A kernel by one method: at once and, where that does not fit, in tiles. */
interface KernelChoice {
  readonly whole: NtkPlan;
  readonly tiled: TiledPlan | null;
}

/**
 * What the neural tangent kernel of N examples with themselves takes, in each form and by each method; nothing where there
 * is nothing to differentiate, or examples are coupled. Each step is a fraction of a second.
 * @param batch N
 */
export function* planningKernels(model: PlannedModel, batch: number, place: Place): Generator<null, PlannedKernels> {
  const wrt = trainableOf(model);
  if (wrt.length === 0 || model.batch.coupled) return noKernels;
  try {
    const ntk: NtkAnalysis[] = [];
    for (const form of ntkForms) {
      const subject = { graph: model.graph, wrt, form, trace: "sum", rows: batch, columns: null } as const;
      ntk.push(...(yield* planningForm(subject, place)));
    }
    return { ntk, diagnostics: [] };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const message = `There is no neural tangent kernel of this model: ${error.message}.`;
    const diagnostic = { severity: "information", code: "no-kernel", message, source: placeOf(error.source) } as const;
    return { ntk: [], diagnostics: [diagnostic] };
  }
}

function* planningForm(subject: NtkSubject, place: Place): Generator<null, NtkAnalysis[]> {
  const choices: KernelChoice[] = [];
  for (const method of ntkMethods) {
    const whole = planNtk(subject, method, place);
    yield null;
    choices.push({ whole, tiled: whole.fits ? null : yield* planningTilesOf(subject, whole, place) });
  }
  const fitting = choices.map(({ whole }) => whole).filter(({ fits }) => fits);
  const tiled = choices.map((choice) => choice.tiled).filter((each) => each !== null);
  const best = quickestOf<NtkPlan | TiledPlan>(fitting.length > 0 ? fitting : tiled);
  return choices.map((choice) => analysisOf(subject.form, choice, choice.whole.method === best?.method));
}

function* planningTilesOf(subject: NtkSubject, whole: NtkPlan, place: Place): Generator<null, TiledPlan | null> {
  const steps = planningTiles(subject, whole, place);
  let step = steps.next();
  for (; !step.done; step = steps.next()) yield null;
  return step.value;
}

function analysisOf(form: NtkForm, { whole, tiled }: KernelChoice, recommended: boolean): NtkAnalysis {
  const { method, made, plan, workspaceBytes, fits } = whole;
  return {
    method,
    form,
    shape: made.shape,
    peakBytes: plan.peakBytes,
    workspaceBytes,
    resultBytes: plan.resultBytes,
    flops: plan.flops,
    movedBytes: plan.movedBytes,
    fits,
    tile: tiled?.tile ?? null,
    recommended,
  };
}
