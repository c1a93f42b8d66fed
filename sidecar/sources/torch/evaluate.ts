import type { Builder } from "../../graph/builder";
import { messageOf, ModelError } from "../../graph/errors";
import type { Equation, Source, Value } from "../../graph/graph";
import { sameShape, stridesOf, type Shape } from "../../graph/types";
import * as ops from "../../primitives/ops";
import { Emitted } from "../operations";
import { Cell, type View } from "./aliases";
import { OperatorCall, type Bound } from "./call";
import { elementTypeOf } from "./elements";
import { evaluateExpression, symbolsOf, type Bindings, type Expression } from "./expressions";
import { operators, views } from "./operators";
import { composed, reshaped } from "./operators/views";
import { placeOf } from "./places";
import type { Argument, ProgramGraph, ProgramNode, TensorMeta } from "./program";

/** Runs an exported program, node by node, on values of a graph, at given sizes. */

export interface Coupling {
  readonly reason: string;
  readonly source: Source | null;
}

export interface Setting {
  /** Of all symbols, the batch's among them. */
  readonly bindings: Bindings;
  /** The symbol that counts the examples, where it is open. */
  readonly batch: string | null;
  /** Whether composite operators have been decomposed already. */
  readonly isDecomposed: boolean;
}

/** Equations of the largest graphs that somebody would wait for. */
const MOST_EQUATIONS = 400_000;
/** Views of views. */
const DEEPEST_VIEW = 500;

/** The shape, where all of it is known. */
export function shapeOf(meta: TensorMeta, bindings: Bindings): Shape | null {
  const sizes = meta.sizes.map((size) => evaluateExpression(size, bindings));
  return sizes.every((size): size is number => size !== null && Number.isInteger(size) && size >= 0) ? sizes : null;
}

export class Evaluation {
  /** Why examples are coupled, where operators themselves say so. */
  readonly couplings: (Coupling & { readonly certainty: "perhaps" | "surely" })[] = [];
  /** What became of the program's nodes, with all that they hold. */
  readonly emitted = new Emitted<ProgramNode>();

  constructor(
    private readonly b: Builder,
    private readonly setting: Setting,
  ) {}

  /** Runs all of the graph's nodes, given the arrays that it begins with; the result gives any array by its name. */
  run(graph: ProgramGraph, arrays: ReadonlyMap<string, Value>): { get: (name: string) => Value } {
    const scope = new Scope(this.b, this.setting, graph, (coupling) => this.couplings.push(coupling));
    for (const [name, value] of arrays) scope.define(name, new Cell(value));
    scope.runNodes((node, equations) => this.emitted.note(node, equations));
    return { get: (name) => scope.cell(name, null).read(this.b) };
  }
}

/** One graph's names. */
class Scope {
  private readonly cells = new Map<string, Cell | null>();

  constructor(
    private readonly b: Builder,
    private readonly setting: Setting,
    private readonly graph: ProgramGraph,
    private readonly couples: (coupling: Evaluation["couplings"][number]) => void,
  ) {}

  define(name: string, cell: Cell | null): void {
    this.cells.set(name, cell);
  }

  cell(name: string, node: ProgramNode | null): Cell {
    const cell = this.cells.get(name);
    if (cell) return cell;
    const source = node && placeOf(node);
    if (cell === null) throw new ModelError(`uses the result ${name}, which is not supported; leave it out`, source);
    throw new ModelError(
      `the array ${name} is used before anything makes it: the program is damaged; export the model again`,
      source,
    );
  }

  /** @param onEmitted told of each node's equations */
  runNodes(onEmitted?: (node: ProgramNode, equations: readonly Equation[]) => void): void {
    for (const node of this.graph.nodes) {
      // What makes numbers only has been computed at the export: they are known by their expressions
      if (node.outputs.every((output) => output === null)) continue;
      const source = placeOf(node);
      const before = this.b.equations.length;
      try {
        this.b.at(source, () => this.runNode(node, source));
      } catch (error) {
        if (error instanceof ModelError || error instanceof RangeError) throw error;
        throw new ModelError(`the operator ${node.target} cannot be computed: ${messageOf(error)}`, source);
      }
      onEmitted?.(node, this.b.equations.slice(before));
      if (this.b.equations.length > MOST_EQUATIONS) {
        throw new ModelError(
          `the model takes more than ${MOST_EQUATIONS} operations; make it or its inputs smaller`,
          source,
        );
      }
    }
  }

  private runNode(node: ProgramNode, source: Source | null): void {
    const [namespace, name, overload = ""] = node.target.split(".");
    if (namespace === "higher_order") {
      this.runInner(node, name, source);
      return;
    }
    const isInPlace = namespace === "aten" && /^[a-zA-Z]\w*[^_]_$/.test(name);
    const plain = isInPlace ? name.slice(0, -1) : name;
    const bound = new Map(node.inputs.map((input) => [input.name, this.bind(input.argument, node)] as const));
    const call = new OperatorCall(plain, overload, bound, source, (reason, certainty) =>
      this.couples({ reason, source, certainty }),
    );
    const operand = node.inputs.find(({ name: input }) => input === "self" || input === "input")?.argument ?? null;
    const cell =
      operand !== null && typeof operand === "object" && "tensor" in operand ? this.cell(operand.tensor, node) : null;
    const known = namespace === "aten";
    const names = node.outputs.flat();

    if (known && cell !== null && Object.hasOwn(views, plain)) {
      const base = cell.read(this.b);
      const made = views[plain](call, base);
      if (made !== null) {
        const all = "read" in made ? [made] : made;
        names.forEach((output, index) => {
          if (output !== null)
            this.define(output, this.viewOf(node, cell, all[index], output, operand as { tensor: string }));
        });
        if (isInPlace) cell.write(this.b, this.cell(names[0] ?? "", node).read(this.b));
        return;
      }
    }
    if (!known || !Object.hasOwn(operators, plain)) {
      throw new ModelError(
        `the operator ${node.target} is not supported; ` +
          (this.setting.isDecomposed ? "" : "decompose it before saving, ep = ep.run_decompositions(), or ") +
          "compute the same with other operators",
        source,
      );
    }
    const result = operators[plain](this.b, call);
    const results = "shape" in result ? [result] : result;
    names.forEach((output, index) => {
      if (output === null) return;
      const value = results[index] ?? null;
      if (isInPlace && cell !== null && value !== null && index === 0) {
        const before = cell.read(this.b);
        cell.write(this.b, ops.broadcastTo(this.b, ops.convert(this.b, value, before.dtype), before.shape));
        this.define(output, cell);
      } else {
        this.define(output, value && new Cell(this.conformed(value, output, node)));
      }
    });
  }

  /** A view, in the shape that the program has recorded for it; or a copy, where PyTorch had to make one. */
  private viewOf(node: ProgramNode, cell: Cell, view: View | undefined, output: string, of: { tensor: string }): Cell {
    if (view === undefined)
      throw new ModelError(`the operator ${node.target} has fewer results than the program says`, placeOf(node));
    const base = cell.read(this.b);
    const recorded = this.recordedShape(output);
    const seen = view.read(this.b.child(), base);
    const whole = recorded === null || sameShape(seen.shape, recorded) ? view : composed(view, reshaped(recorded));
    if (recorded !== null && !sameButOnes(recorded, seen.shape)) throw this.mismatch(node, seen.shape, recorded);
    if (!this.copies(node, of.tensor, output)) {
      if (cell.depth >= DEEPEST_VIEW) throw new ModelError("views of views are nested too deep", placeOf(node));
      return cell.viewed(this.b, whole);
    }
    return new Cell(whole.read(this.b, base));
  }

  /** Whether an operator that gives a view where it can has made a copy: of other numbers, or of scattered elements. */
  private copies({ target }: ProgramNode, input: string, output: string): boolean {
    if (!/^aten\.(reshape|reshape_as|flatten|ravel|contiguous|to|type_as)\./.test(target)) return false;
    const [from, to] = [this.graph.tensors.get(input), this.graph.tensors.get(output)];
    if (from === undefined || to === undefined) return false;
    return from.scalarType !== to.scalarType || (!target.startsWith("aten.to.") && !this.isContiguous(from));
  }

  private isContiguous(meta: TensorMeta): boolean {
    const shape = shapeOf(meta, this.setting.bindings);
    if (shape === null) return true;
    const strides = stridesOf(shape);
    return meta.strides.every(
      (stride, axis) => shape[axis] === 1 || evaluateExpression(stride, this.setting.bindings) === strides[axis],
    );
  }

  /** A part of the program that is run with other settings, such as without gradients. */
  private runInner(node: ProgramNode, name: string, source: Source | null): void {
    const graphs = node.inputs.flatMap(({ argument }) =>
      typeof argument === "object" && argument !== null && "graph" in argument ? [argument.graph] : [],
    );
    if (graphs.length !== 1 || !name.startsWith("wrap_with_")) {
      throw new ModelError(
        `torch.${name} chooses or repeats operations while it runs, which is not supported; export the model without it`,
        source,
      );
    }
    const [graph] = graphs;
    const position = node.inputs.findIndex(
      ({ argument }) => typeof argument === "object" && argument !== null && "graph" in argument,
    );
    const given = node.inputs.slice(position + 1).map(({ argument }) => argument);
    const inner = new Scope(this.b, this.setting, graph, this.couples);
    graph.inputs.forEach((input, index) => {
      const argument = given[index] ?? null;
      if (isTensor(input) && isTensor(argument)) inner.define(input.tensor, this.cell(argument.tensor, node));
    });
    inner.runNodes();
    const isDetached = name === "wrap_with_set_grad_enabled" && node.inputs[0].argument === false;
    const results = graph.outputs.filter(isTensor).map(({ tensor }) => inner.cell(tensor, node));
    node.outputs.flat().forEach((output, index) => {
      if (output === null) return;
      const cell = results[index] ?? null;
      this.define(output, isDetached && cell !== null ? new Cell(ops.stopGradient(this.b, cell.read(this.b))) : cell);
    });
  }

  private bind(argument: Argument, node: ProgramNode): Bound {
    if (argument === null || typeof argument !== "object") return argument;
    if (Array.isArray(argument)) return argument.map((member: Argument) => this.bind(member, node));
    const single = argument as Exclude<typeof argument, readonly Argument[]>;
    if ("tensor" in single) return this.cell(single.tensor, node).read(this.b);
    if ("symbolic" in single) return { symbolic: this.symbolic(single.symbolic, node) };
    return "scalarType" in single ? single : null;
  }

  private symbolic(name: string, node: ProgramNode): { number: number; ofBatch: boolean } {
    const expression: Expression | undefined = this.graph.symbolic.get(name);
    const number = expression ? evaluateExpression(expression, this.setting.bindings) : null;
    if (expression === undefined || number === null) {
      throw new ModelError(
        `the operator ${node.target} is given a number that is open until the model runs (${name}); compute it without ` +
          "reading elements of arrays (.item(), nonzero, masks as indices)",
        placeOf(node),
      );
    }
    return { number, ofBatch: this.setting.batch !== null && symbolsOf(expression).has(this.setting.batch) };
  }

  private recordedShape(name: string): Shape | null {
    const meta = this.graph.tensors.get(name);
    return meta ? shapeOf(meta, this.setting.bindings) : null;
  }

  /**
   * In the shape and type that the program has recorded. Shapes differ where an operator drops axes of extent 1, among
   * them that of a batch of one: which axes those were is known by the sizes that the model was exported with.
   */
  private conformed(value: Value, name: string, node: ProgramNode): Value {
    const meta = this.graph.tensors.get(name);
    const shape = this.recordedShape(name);
    if (shape !== null && !sameButOnes(shape, value.shape)) throw this.mismatch(node, value.shape, shape);
    const dtype = meta ? (elementTypeOf(meta.scalarType)?.dtype ?? value.dtype) : value.dtype;
    return ops.reshape(this.b, ops.convert(this.b, value, dtype), shape ?? value.shape);
  }

  private mismatch(node: ProgramNode, shape: Shape, recorded: Shape): ModelError {
    return new ModelError(
      `the operator ${node.target} gives [${shape.join(",")}] where the program says [${recorded.join(",")}]; ` +
        "export the model again",
      placeOf(node),
    );
  }
}

/** Whether two shapes differ in nothing but axes of extent 1. */
function sameButOnes(a: Shape, b: Shape): boolean {
  const wide = (shape: Shape): number[] => shape.filter((extent) => extent !== 1);
  return sameShape(wide(a), wide(b));
}

function isTensor(argument: Argument): argument is { readonly tensor: string } {
  return typeof argument === "object" && argument !== null && "tensor" in argument;
}
