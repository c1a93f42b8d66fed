import { argumentsOf, type Equation, type Graph, type Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { sizeOf } from "../../graph/types";
import type { ConvAttributes, DotAttributes, MapAttributes } from "../../primitives/attributes";
import { partition, type Step } from "./partition";
import { Piece, type SessionFactory } from "./session";

/** Where in memory a value is to be made: as a part of another one. */
export interface Placement {
  readonly into: Value;
  /** In elements. */
  readonly offset: number;
}

/** A graph ready to run. */
export interface Program {
  readonly graph: Graph;
  readonly steps: readonly CompiledStep[];
  /** Values that are known before a run: constants that host steps read, and fixed arguments. */
  readonly known: ReadonlyMap<Value, Tensor>;
  readonly placements: ReadonlyMap<Value, Placement>;
  /** The work of one run, in arbitrary units. */
  readonly work: number;
}

export interface CompiledStep {
  readonly step: Step;
  /** The session of a session step. */
  readonly piece: Piece | null;
  /** The body of a map. */
  readonly body: Program | null;
  readonly work: number;
  /** Values whose memory nobody needs after this step. */
  readonly freed: readonly Value[];
}

/** Compiles a graph, and the bodies of the loops in it. `fixed` arguments become constants. */
export async function compileProgram(
  factory: SessionFactory,
  graph: Graph,
  fixed: ReadonlyMap<Value, Tensor>,
): Promise<Program> {
  const constants = [...graph.constants, ...[...fixed].map(([value, { data }]) => ({ value, data }))];
  const known = new Map<Value, Tensor>(fixed);
  for (const { value, data } of graph.constants) known.set(value, { shape: value.shape, dtype: value.dtype, data });

  const parts = partition(graph);
  const placements = placeValues(parts);
  const freed = lastUses(graph, parts, known);
  const steps: CompiledStep[] = [];
  try {
    for (const [index, step] of parts.entries()) {
      let piece: Piece | null = null;
      let body: Program | null = null;
      let work = 1;
      if (step.kind === "session") {
        const inputs = step.inputs.filter((value) => !fixed.has(value));
        piece = await Piece.compile(factory, step.equations, inputs, step.outputs, constants);
        work = step.equations.reduce((total, equation) => total + workOf(equation), 1);
      } else if (step.kind === "map") {
        const attributes = step.equation.attributes as MapAttributes;
        body = await compileProgram(factory, attributes.body, fixedInBody(step.equation, known));
        work = attributes.length * body.work;
      }
      steps.push({ step, piece, body, work, freed: freed[index] });
    }
  } catch (error) {
    await releaseSteps(steps);
    throw error;
  }
  const work = steps.reduce((total, step) => total + step.work, 0);
  return { graph, steps, known, placements, work };
}

export async function releaseProgram(program: Program): Promise<void> {
  await releaseSteps(program.steps);
}

async function releaseSteps(steps: readonly CompiledStep[]): Promise<void> {
  for (const { piece, body } of steps) {
    await piece?.release();
    if (body) await releaseProgram(body);
  }
}

/** Elements made, products weighted by their length: the order of magnitude is enough for a progress bar. */
function workOf({ primitive, inputs, outputs, attributes }: Equation): number {
  const elements = outputs.reduce((total, output) => total + sizeOf(output.shape), 0);
  if (primitive === "dot_general") {
    const [left] = (attributes as DotAttributes).contract;
    return elements * (1 + sizeOf(left.map((axis) => inputs[0].shape[axis])) / 32);
  }
  if (primitive === "conv_general_dilated") {
    const { rhsSpec, batchDims } = attributes as ConvAttributes;
    const window = rhsSpec.slice(1).map((axis) => inputs[1].shape[axis + batchDims]);
    return elements * (1 + sizeOf(window) / 32);
  }
  return elements;
}

/** What a map passes whole to its body and is known before the run is a constant of the body. */
function fixedInBody(equation: Equation, known: ReadonlyMap<Value, Tensor>): Map<Value, Tensor> {
  const { body, mapped } = equation.attributes as MapAttributes;
  const fixed = new Map<Value, Tensor>();
  argumentsOf(body).forEach(({ value }, index) => {
    const tensor = known.get(equation.inputs[index]);
    if (tensor && !mapped[index]) fixed.set(value, tensor);
  });
  return fixed;
}

/** The parts of a joined array, and what is reshaped into one, are made where they belong. */
export function placeValues(steps: readonly Step[]): Map<Value, Placement> {
  const placements = new Map<Value, Placement>();
  for (const step of [...steps].reverse()) {
    if (step.kind === "join") {
      let offset = 0;
      for (const input of step.equation.inputs) {
        placements.set(input, { into: step.equation.outputs[0], offset });
        offset += sizeOf(input.shape);
      }
    } else if (step.kind === "view" && step.equation.primitive === "reshape") {
      const [output] = step.equation.outputs;
      if (placements.has(output)) placements.set(step.equation.inputs[0], { into: output, offset: 0 });
    }
  }
  return placements;
}

/** For each step, the values whose memory is free after it; a view keeps the memory that it is of. */
export function lastUses(graph: Graph, steps: readonly Step[], known: Pick<ReadonlySet<Value>, "keys">): Value[][] {
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owners.get(value) ?? value;
  for (const step of steps) {
    if (step.kind === "view") owners.set(step.equation.outputs[0], ownerOf(step.equation.inputs[0]));
  }
  const kept = new Set<Value>([...known.keys(), ...argumentsOf(graph).map(({ value }) => value)]);
  for (const output of graph.outputs) kept.add(ownerOf(output));
  const freed: Value[][] = steps.map(() => []);
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index];
    const touched =
      step.kind === "session" ? [...step.inputs, ...step.outputs] : [...step.equation.inputs, ...step.equation.outputs];
    for (const value of touched.map(ownerOf)) {
      if (kept.has(value)) continue;
      kept.add(value);
      freed[index].push(value);
    }
  }
  return freed;
}
