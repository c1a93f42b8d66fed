import type { MapAttributes } from "../../primitives/attributes";
import { argumentsOf, type Equation, type Graph, type Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { bytesOf, formatShape, sameShape } from "../../graph/types";
import type { Executable, RunOptions } from "../engine";
import type { Backend, Collector } from "./backend";
import { valuesToFree } from "./liveness";
import { Pacer } from "./pacer";

/** What is worked out once for a graph, and for each body of a `map` in it. */
interface Program<T> {
  readonly graph: Graph;
  readonly freed: readonly (readonly Value[])[];
  readonly constants: ReadonlyMap<Value, T>;
  readonly bodies: ReadonlyMap<Equation, Program<T>>;
  /** Equations that a run executes, those of loops counted as often as they run. */
  readonly steps: number;
}

/**
 * Runs a graph equation by equation, loops included, and frees every value after its last use. The engines that work
 * this way differ only in their `Backend`.
 */
export class Interpreter<T> implements Executable {
  private readonly program: Program<T>;
  private readonly fixed = new Map<Value, T>();
  private liveBytes = 0;
  /** The most bytes that arguments, constants and live values took at once in the last run, without temporaries of an operation. */
  peakBytes = 0;

  /** @param fixed arguments whose values are uploaded once, and which are then not asked for at a run */
  constructor(
    graph: Graph,
    private readonly backend: Backend<T>,
    fixed: ReadonlyMap<Value, Tensor> = new Map(),
  ) {
    this.program = this.prepare(graph);
    for (const { value } of argumentsOf(graph)) {
      const tensor = fixed.get(value);
      if (tensor) this.fixed.set(value, backend.upload(tensor, value));
    }
  }

  async run(inputs: readonly Tensor[], options: RunOptions = {}): Promise<Tensor[]> {
    const { graph } = this.program;
    checkArguments(graph, inputs, this.fixed);
    const pacer = new Pacer(this.program.steps, options);
    this.liveBytes = constantBytes(this.program);
    this.peakBytes = this.liveBytes;

    const uploaded: T[] = [];
    try {
      const values = argumentsOf(graph).map(({ value }, index) => {
        this.hold(value);
        const known = this.fixed.get(value);
        if (known !== undefined) return known;
        const given = this.backend.upload(inputs[index], value);
        uploaded.push(given);
        return given;
      });
      const outputs = await this.execute(this.program, values, pacer);
      try {
        const tensors: Tensor[] = [];
        for (const [index, output] of outputs.entries()) {
          tensors.push(await this.backend.download(output, graph.outputs[index]));
        }
        pacer.finish();
        return tensors;
      } finally {
        for (const output of outputs) this.backend.free(output);
      }
    } finally {
      for (const value of uploaded) this.backend.free(value);
      this.backend.leave?.();
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async dispose(): Promise<void> {
    const free = (program: Program<T>): void => {
      for (const constant of program.constants.values()) this.backend.free(constant);
      for (const body of program.bodies.values()) free(body);
    };
    free(this.program);
    for (const value of this.fixed.values()) this.backend.free(value);
  }

  private prepare(graph: Graph): Program<T> {
    const bodies = new Map<Equation, Program<T>>();
    let steps = 0;
    for (const equation of graph.equations) {
      steps++;
      if (equation.primitive !== "map") continue;
      const { body, length } = equation.attributes as MapAttributes;
      const program = this.prepare(body);
      bodies.set(equation, program);
      steps += length * program.steps;
    }
    return {
      graph,
      freed: valuesToFree(graph),
      constants: new Map(graph.constants.map((constant) => [constant.value, this.backend.uploadConstant(constant)])),
      bodies,
      steps,
    };
  }

  /** The outputs are the caller's to free; the arguments stay the caller's. */
  private async execute(program: Program<T>, inputs: readonly T[], pacer: Pacer): Promise<T[]> {
    const { graph } = program;
    const values = new Map<Value, T>(program.constants);
    argumentsOf(graph).forEach((member, index) => values.set(member.value, inputs[index]));
    const computed = new Set<Value>();
    const valueOf = (value: Value): T => {
      const found = values.get(value);
      if (found === undefined) throw new Error("a value is used before it is computed");
      return found;
    };
    const free = (value: Value): void => {
      this.backend.free(valueOf(value));
      this.release(value);
      values.delete(value);
      computed.delete(value);
    };

    try {
      for (const [index, equation] of graph.equations.entries()) {
        const operands = equation.inputs.map(valueOf);
        const body = program.bodies.get(equation);
        const results = body ? await this.loop(body, equation, operands, pacer) : this.backend.run(equation, operands);
        equation.outputs.forEach((output, position) => {
          values.set(output, results[position]);
          computed.add(output);
          this.hold(output);
        });
        program.freed[index].forEach(free);
        const pause = pacer.step();
        if (pause) await pause;
      }
      return graph.outputs.map((output) => this.backend.share(valueOf(output)));
    } finally {
      [...computed].forEach(free);
    }
  }

  private async loop(body: Program<T>, equation: Equation, operands: readonly T[], pacer: Pacer): Promise<T[]> {
    const { length, mapped, combine } = equation.attributes as MapAttributes;
    const collectors = body.graph.outputs.map((output, position): Collector<T> =>
      combine[position] === "stack" ? this.backend.stack(length, output) : this.backend.sum(output),
    );
    try {
      for (let index = 0; index < length; index++) {
        const slices = operands.map((operand, position) =>
          mapped[position] ? this.backend.sliceAt(operand, index, equation.inputs[position]) : null,
        );
        try {
          const inputs = operands.map((operand, position) => slices[position] ?? operand);
          const outputs = await this.execute(body, inputs, pacer);
          outputs.forEach((output, position) => {
            collectors[position].add(output);
          });
        } finally {
          for (const slice of slices) if (slice !== null) this.backend.free(slice);
        }
      }
    } catch (error) {
      for (const collector of collectors) collector.abandon();
      throw error;
    }
    return collectors.map((collector) => collector.finish());
  }

  private hold(value: Value): void {
    this.liveBytes += bytesOf(value);
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
  }

  private release(value: Value): void {
    this.liveBytes -= bytesOf(value);
  }
}

function constantBytes(program: Program<unknown>): number {
  let bytes = program.graph.constants.reduce((sum, { value }) => sum + bytesOf(value), 0);
  for (const body of program.bodies.values()) bytes += constantBytes(body);
  return bytes;
}

/** A wrong argument is a mistake of the caller, which native kernels would answer with a crash or with nonsense. */
function checkArguments(graph: Graph, tensors: readonly Tensor[], fixed: ReadonlyMap<Value, unknown>): void {
  const members = argumentsOf(graph);
  if (members.length !== tensors.length) {
    throw new Error(`the graph has ${members.length} arguments but was given ${tensors.length}`);
  }
  members.forEach(({ name, value }, index) => {
    if (!fixed.has(value) && !sameShape(value.shape, tensors[index].shape)) {
      throw new Error(
        `argument ${name} has shape ${formatShape(value.shape)} but was given ${formatShape(tensors[index].shape)}`,
      );
    }
  });
}
