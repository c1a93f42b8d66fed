import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { elu, leakyRelu, relu, softplus } from "../../activations";
import { checkedSteps, listed, type Call, type Operator, type OperatorTable, type Result } from "../call";

/**
 * Recurrent layers, step by step: each step is equations of its own, since a loop whose turns depend on one another is
 * no primitive.
 */

const at = ops.scalarLike;

type Activation = (b: Builder, x: Value) => Value;

/** The activations of one direction; each takes its alpha and beta from the lists as it needs them. */
function activationsOf(call: Call, direction: number, usual: readonly string[]): Activation[] {
  const names = call.strings("activations") ?? [];
  const [alphas, betas] = [[...(call.floats("activation_alpha") ?? [])], [...(call.floats("activation_beta") ?? [])]];
  const all = names.length > 0 ? names : [...usual, ...usual];
  const made = all.map((name) => activationOf(call, name, alphas, betas));
  return made.slice(direction * usual.length, (direction + 1) * usual.length);
}

function activationOf(call: Call, name: string, alphas: number[], betas: number[]): Activation {
  const alpha = (otherwise: number): number => alphas.shift() ?? otherwise;
  const beta = (otherwise: number): number => betas.shift() ?? otherwise;
  switch (name.toLowerCase()) {
    case "sigmoid":
      return ops.logistic;
    case "tanh":
      return ops.tanh;
    case "relu":
      return relu;
    case "softplus":
      return softplus;
    case "softsign":
      return (b, x) => ops.div(b, x, ops.add(b, ops.abs(b, x), at(b, x, 1)));
    case "elu": {
      const slope = alpha(1);
      return (b, x) => ops.select(b, ops.gt(b, x, at(b, x, 0)), x, ops.mul(b, elu(b, x), at(b, x, slope)));
    }
    case "leakyrelu": {
      const slope = alpha(0.01);
      return (b, x) => leakyRelu(b, x, slope);
    }
    case "thresholdedrelu": {
      const threshold = alpha(1);
      return (b, x) => ops.select(b, ops.gt(b, x, at(b, x, threshold)), x, at(b, x, 0));
    }
    case "affine": {
      const [scale, shift] = [alpha(1), beta(0)];
      return (b, x) => ops.add(b, ops.mul(b, x, at(b, x, scale)), at(b, x, shift));
    }
    case "scaledtanh": {
      const [scale, inner] = [alpha(1), beta(1)];
      return (b, x) => ops.mul(b, ops.tanh(b, ops.mul(b, x, at(b, x, inner))), at(b, x, scale));
    }
    case "hardsigmoid": {
      const [scale, shift] = [alpha(0.2), beta(0.5)];
      return (b, x) => {
        const line = ops.add(b, ops.mul(b, x, at(b, x, scale)), at(b, x, shift));
        return ops.min(b, ops.max(b, line, at(b, line, 0)), at(b, line, 1));
      };
    }
    default:
      throw call.unsupported(`the activation ${name} is not read`);
  }
}

/** What a direction of a recurrent layer has for itself. `gates` is their number. */
interface Direction {
  readonly b: Builder;
  readonly activations: readonly Activation[];
  /** [gates * hidden, input] and [gates * hidden, hidden]. */
  readonly w: Value;
  readonly r: Value;
  /** [gates * hidden] each. */
  readonly inputBias: Value | null;
  readonly hiddenBias: Value | null;
  readonly hidden: number;
  /** A gate's part of [..., gates * hidden]. */
  readonly gate: (x: Value, index: number) => Value;
}

/** One step: from the input's part of all gates [batch, gates * hidden] and the states to the next states. */
type Step = (d: Direction, input: Value, states: readonly Value[]) => Value[];

interface Cell {
  readonly gates: number;
  readonly states: number;
  readonly activations: readonly string[];
  /** Makes the step of a direction. */
  readonly step: (call: Call, direction: number) => Step;
  /** Inputs that hold the initial states. */
  readonly initial: readonly number[];
}

/** x W^T, for a matrix with one row for each output. */
const times = (b: Builder, x: Value, matrix: Value): Value => ops.dotGeneral(b, x, matrix, [[x.shape.length - 1], [1]]);
const plus = (b: Builder, x: Value, bias: Value | null): Value =>
  bias ? ops.add(b, x, ops.padRank(b, bias, x.shape.length)) : x;

function recurrent(call: Call, cell: Cell): Result {
  const { b } = call;
  const batchFirst = call.int("layout", 0) === 1;
  // [steps, batch, input]
  const x = batchFirst ? ops.transpose(b, call.input(0), [1, 0, 2]) : call.input(0);
  const [length, batch] = x.shape;
  const steps = checkedSteps(length);
  const [w, r, bias] = [call.input(1), call.input(2), call.optional(3)];
  const hidden = r.shape[2];
  const rows = cell.gates * hidden;
  const direction = call.string("direction", "forward");
  const count = direction === "bidirectional" ? 2 : 1;
  const lengths = lengthsOf(call, steps);
  const clip = call.optionalFloat("clip");
  const outputs: Value[] = [];
  const finals: Value[][] = [];
  for (const index of range(count)) {
    const reverse = direction === "reverse" || index === 1;
    const of = (value: Value, from: number, to: number): Value =>
      ops.reshape(
        b,
        ops.slice(
          b,
          value,
          [index, from, ...value.shape.slice(2).map(() => 0)],
          [index + 1, to, ...value.shape.slice(2)],
        ),
        [to - from, ...value.shape.slice(2)],
      );
    const clipped = (activation: Activation): Activation => {
      if (clip === null) return activation;
      return (builder, value) => {
        const low = ops.max(builder, value, at(builder, value, -clip));
        return activation(builder, ops.min(builder, low, at(builder, low, clip)));
      };
    };
    const own: Direction = {
      b,
      activations: activationsOf(call, index, cell.activations).map(clipped),
      w: of(w, 0, rows),
      r: of(r, 0, rows),
      inputBias: bias && of(bias, 0, rows),
      hiddenBias: bias && of(bias, rows, 2 * rows),
      hidden,
      gate: (value, gate) => ops.sliceAxis(b, value, value.shape.length - 1, gate * hidden, (gate + 1) * hidden),
    };
    const step = cell.step(call, index);
    // The inputs of all steps at once
    const projected = plus(b, times(b, x, own.w), own.inputBias);
    let states = cell.initial.slice(0, cell.states).map((input) => {
      const given = call.optional(input);
      if (given === null) return ops.full(b, [batch, hidden], x.dtype, 0);
      const ordered = batchFirst ? ops.transpose(b, given, [1, 0, 2]) : given;
      return of(ordered, 0, batch);
    });
    const results = new Array<Value>(steps);
    for (const time of reverse ? listed(steps).reverse() : listed(steps)) {
      const input = ops.reshape(b, ops.sliceAxis(b, projected, 0, time, time + 1), [batch, rows]);
      const next = step(own, input, states);
      const active = lengths?.(time) ?? null;
      // Behind its end a sequence stays as it is, and gives zeros
      const held = (value: Value, old: Value): Value => (active ? ops.select(b, active, value, old) : value);
      states = next.map((value, which) => held(value, states[which]));
      results[time] = active ? ops.select(b, active, next[0], at(b, next[0], 0)) : next[0];
    }
    outputs.push(
      ops.concatenate(
        b,
        results.map((value) => ops.expandDims(b, ops.expandDims(b, value, 0), 1)),
        0,
      ),
    );
    finals.push(states);
  }
  // [steps, directions, batch, hidden], and [directions, batch, hidden]
  const y = ops.concatenate(b, outputs, 1);
  const last = range(cell.states).map((which) =>
    ops.concatenate(
      b,
      finals.map((states) => ops.expandDims(b, states[which], 0)),
      0,
    ),
  );
  if (!batchFirst) return [y, ...last];
  return [ops.transpose(b, y, [2, 0, 1, 3]), ...last.map((value) => ops.transpose(b, value, [1, 0, 2]))];
}

/** For a step, which sequences of the batch are still running: [batch, 1]; null where all are as long as the input. */
function lengthsOf(call: Call, steps: number): ((time: number) => Value) | null {
  if (!call.has(4)) return null;
  const { b } = call;
  const lengths = call.input(4);
  const known = call.known(4);
  if (known?.every((length) => length === steps)) return null;
  const column = ops.reshape(b, lengths, [lengths.shape[0], 1]);
  return (time) => ops.gt(b, column, at(b, column, time));
}

/** h' = f(W x + R h + b) */
const rnnStep: Step = ({ b, activations: [f], r, hiddenBias }, input, [h]) => {
  return [f(b, ops.add(b, input, plus(b, times(b, h, r), hiddenBias)))];
};

/** Gates z (update), r (reset), h (hidden). */
const gruStep =
  (call: Call): Step =>
  (d, input, [h]) => {
    const { b, activations, r, hiddenBias, hidden, gate } = d;
    const [f, g] = activations;
    const rows = (from: number, to: number, value: Value): Value =>
      ops.sliceAxis(b, value, 0, from * hidden, to * hidden);
    const biasOf = (from: number, to: number): Value | null => hiddenBias && rows(from, to, hiddenBias);
    const gates = plus(b, times(b, h, rows(0, 2, r)), biasOf(0, 2));
    const z = f(b, ops.add(b, gate(input, 0), gate(gates, 0)));
    const reset = f(b, ops.add(b, gate(input, 1), gate(gates, 1)));
    const before = call.int("linear_before_reset", 0) !== 0;
    const inner = before
      ? ops.mul(b, reset, plus(b, times(b, h, rows(2, 3, r)), biasOf(2, 3)))
      : plus(b, times(b, ops.mul(b, reset, h), rows(2, 3, r)), biasOf(2, 3));
    const candidate = g(b, ops.add(b, gate(input, 2), inner));
    // (1 - z) candidate + z h
    const rest = ops.sub(b, at(b, z, 1), z);
    return [ops.add(b, ops.mul(b, rest, candidate), ops.mul(b, z, h))];
  };

/** Gates i (input), o (output), f (forget), c (cell), and peepholes p of i, o and f from the cell. */
const lstmStep =
  (call: Call, direction: number): Step =>
  (d, input, [h, c]) => {
    const { b, activations, r, hiddenBias, hidden, gate } = d;
    const [f, g, k] = activations;
    const gates = ops.add(b, input, plus(b, times(b, h, r), hiddenBias));
    const peepholes = call.optional(7);
    const peep = (value: Value, index: number, state: Value): Value => {
      if (peepholes === null) return value;
      const weights = ops.slice(b, peepholes, [direction, index * hidden], [direction + 1, (index + 1) * hidden]);
      return ops.add(b, value, ops.mul(b, state, weights));
    };
    const i = f(b, peep(gate(gates, 0), 0, c));
    const coupled = call.int("input_forget", 0) === 1;
    const forget = coupled ? ops.sub(b, at(b, i, 1), i) : f(b, peep(gate(gates, 2), 2, c));
    const next = ops.add(b, ops.mul(b, forget, c), ops.mul(b, i, g(b, gate(gates, 3))));
    const o = f(b, peep(gate(gates, 1), 1, next));
    return [ops.mul(b, o, k(b, next)), next];
  };

const cells: Readonly<Record<"RNN" | "GRU" | "LSTM", Cell>> = {
  RNN: { gates: 1, states: 1, activations: ["Tanh"], step: () => rnnStep, initial: [5] },
  GRU: { gates: 3, states: 1, activations: ["Sigmoid", "Tanh"], step: gruStep, initial: [5] },
  LSTM: { gates: 4, states: 2, activations: ["Sigmoid", "Tanh", "Tanh"], step: lstmStep, initial: [5, 6] },
};

const layer =
  (cell: Cell): Operator =>
  (call) =>
    recurrent(call, cell);

export const recurrentLayers: OperatorTable = {
  RNN: layer(cells.RNN),
  GRU: layer(cells.GRU),
  LSTM: layer(cells.LSTM),
};
