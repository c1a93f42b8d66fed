import { argumentsOf, type Equation, type Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { newArray, sizeOf, type TypedArray } from "../../graph/types";
import type { MapAttributes, SliceAttributes } from "../../primitives/attributes";
import { EngineError, type OpaqueHost, type RunOptions } from "../engine";
import type { CompiledStep, Program } from "./program";

/** What all steps of one run share. */
export class Run {
  private done = 0;

  constructor(
    private readonly total: number,
    private readonly options: RunOptions,
    readonly opaque: OpaqueHost | undefined,
  ) {}

  /** Throws if the run is to stop. */
  check(): void {
    this.options.signal?.throwIfAborted();
  }

  advance(work: number): void {
    this.done += work;
    this.options.onProgress?.(Math.min(1, this.done / this.total));
  }
}

/**
 * Runs a program. Arguments that are fixed are left out of `inputs`' meaning: what is given for them is not read.
 * Outputs are written into `targets` where these are given.
 */
export async function runProgram(
  program: Program,
  inputs: readonly Tensor[],
  run: Run,
  targets: readonly (Tensor | null)[] = [],
): Promise<Tensor[]> {
  const { graph } = program;
  const memory = new Memory(program, inputs, targets);
  for (const compiled of program.steps) {
    run.check();
    await runStep(compiled, memory, run);
    for (const value of compiled.freed) memory.free(value);
  }

  const returned = new Set<ArrayBufferLike>(inputs.map((input) => input.data.buffer));
  for (const tensor of program.known.values()) returned.add(tensor.data.buffer);
  return graph.outputs.map((value, index) => {
    const tensor = memory.get(value);
    const target = targets[index];
    if (target) {
      if (!sameMemory(tensor.data, target.data)) target.data.set(tensor.data);
      return target;
    }
    // The caller owns what it gets: no two results, and no result and argument, share memory.
    const shared = returned.has(tensor.data.buffer) || tensor.data.byteLength !== tensor.data.buffer.byteLength;
    const own = shared ? { ...tensor, data: tensor.data.slice() } : tensor;
    returned.add(own.data.buffer);
    return own;
  });
}

function sameMemory(a: TypedArray, b: TypedArray): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}

/** The tensors of one run of a program. */
class Memory {
  private readonly tensors: Map<Value, Tensor>;
  private readonly targets = new Map<Value, Tensor>();

  constructor(
    private readonly program: Program,
    inputs: readonly Tensor[],
    targets: readonly (Tensor | null)[],
  ) {
    this.tensors = new Map(program.known);
    argumentsOf(program.graph).forEach(({ value }, index) => {
      if (!program.known.has(value)) this.tensors.set(value, inputs[index]);
    });
    program.graph.outputs.forEach((value, index) => {
      const target = targets[index];
      if (target && !this.targets.has(value)) this.targets.set(value, target);
    });
  }

  get(value: Value): Tensor {
    const tensor = this.tensors.get(value);
    if (!tensor) throw new Error("a value is used before it is computed");
    return tensor;
  }

  set(value: Value, tensor: Tensor): void {
    this.tensors.set(value, tensor);
  }

  /** Memory for a value that is about to be made, where it belongs. */
  allocate(value: Value): Tensor {
    const known = this.tensors.get(value);
    if (known) return known;
    const placement = this.program.placements.get(value);
    const size = sizeOf(value.shape);
    let data: TypedArray;
    if (placement) {
      data = this.allocate(placement.into).data.subarray(placement.offset, placement.offset + size);
    } else {
      data = this.targets.get(value)?.data ?? newArray(value.dtype, size);
    }
    const tensor: Tensor = { shape: value.shape, dtype: value.dtype, data };
    this.tensors.set(value, tensor);
    return tensor;
  }

  free(value: Value): void {
    this.tensors.delete(value);
  }
}

async function runStep({ step, piece, body, work }: CompiledStep, memory: Memory, run: Run): Promise<void> {
  switch (step.kind) {
    case "session":
      await piece!.run(
        piece!.inputs.map((value) => memory.get(value)),
        piece!.outputs.map((value) => memory.allocate(value)),
      );
      break;
    case "map":
      // It counts its iterations itself.
      await runMap(step.equation, body!, memory, run);
      return;
    case "opaque":
      runOpaque(step.equation, memory, run);
      break;
    case "view":
      view(step.equation, memory);
      break;
    case "join":
      join(step.equation, memory);
      break;
  }
  run.advance(work);
}

/** Iterations write their outputs into their slices of the stacked result. */
async function runMap(equation: Equation, body: Program, memory: Memory, run: Run): Promise<void> {
  const { length, mapped, combine } = equation.attributes as MapAttributes;
  const inputs = equation.inputs.map((value) => memory.get(value));
  const outputs = equation.outputs.map((value) => memory.allocate(value));
  const partial = outputs.map((output, index) =>
    combine[index] === "sum" ? { ...output, data: newArray(output.dtype, output.data.length) } : null,
  );
  if (length === 0) for (const output of outputs) output.data.fill(0);
  for (let iteration = 0; iteration < length; iteration++) {
    run.check();
    const slices = inputs.map((input, index) => (mapped[index] ? slot(input, iteration) : input));
    const targets = outputs.map((output, index) => {
      if (combine[index] === "stack") return slot(output, iteration);
      return iteration === 0 ? output : partial[index];
    });
    await runProgram(body, slices, run, targets);
    if (iteration === 0) continue;
    outputs.forEach((output, index) => {
      const addend = partial[index];
      if (addend) addInto(output.data, addend.data);
    });
  }
}

function addInto(total: TypedArray, addend: TypedArray): void {
  for (let index = 0; index < total.length; index++) total[index] += addend[index];
}

/** Element `index` along the first axis, in place. */
function slot({ shape, dtype, data }: Tensor, index: number): Tensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  return { shape: rest, dtype, data: data.subarray(index * size, (index + 1) * size) };
}

function runOpaque(equation: Equation, memory: Memory, run: Run): void {
  if (!run.opaque) throw new EngineError("there is nobody to run an opaque operation");
  const results = run.opaque.run(
    equation,
    equation.inputs.map((value) => memory.get(value)),
  );
  equation.outputs.forEach((value, index) => memory.set(value, results[index]));
}

function view(equation: Equation, memory: Memory): void {
  const input = memory.get(equation.inputs[0]);
  const [output] = equation.outputs;
  let { data } = input;
  if (equation.primitive === "slice") {
    const { start, limit } = equation.attributes as SliceAttributes;
    const size = sizeOf(input.shape.slice(1));
    data = data.subarray(start[0] * size, limit[0] * size);
  }
  memory.set(output, { shape: output.shape, dtype: output.dtype, data });
}

function join(equation: Equation, memory: Memory): void {
  const joined = memory.allocate(equation.outputs[0]).data;
  let offset = 0;
  for (const input of equation.inputs) {
    const { data } = memory.get(input);
    const place = joined.subarray(offset, offset + data.length);
    if (!sameMemory(place, data)) place.set(data);
    offset += data.length;
  }
}
