import { Builder } from "../../graph/builder";
import { messageOf, ModelError } from "../../graph/errors";
import type { Attributes, Source, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { formatShape, isFloat, newArray, sizeOf, type Shape } from "../../graph/types";
import { inferShapes } from "../../primitives";
import type { OpaqueAttributes } from "../../primitives/attributes";
import * as ops from "../../primitives/ops";
import {
  Call,
  constantOf,
  dtypeOf,
  ElementsNeeded,
  itemOf,
  Unsupported,
  type Item,
  type Reading,
  type TensorItem,
} from "./call";
import { elementTypeOf, smallFloats, type ElementType } from "./element-types";
import { KnownElements } from "./known";
import type {
  AttributeMessage,
  FunctionMessage,
  GraphMessage,
  ModelMessage,
  NodeMessage,
  OperatorSetMessage,
  TensorMessage,
  TypeMessage,
} from "./messages";
import { operators } from "./operators";
import { Emitted } from "../operations";
import { placeOfNode } from "./places";
import { checkedShape, type FileTensors, type TypedTensor } from "./tensors";
import { weightOperands } from "./weights";

/** A weight as the graph has it, and the node that uses it first. */
export interface ReadWeight {
  readonly name: string;
  readonly role: "parameter" | "buffer";
  readonly value: Value;
  readonly tensor: Tensor;
  user: { readonly node: NodeMessage; readonly source: Source | null; readonly outputs: readonly Shape[] } | null;
}

/** A node of the model's own graph. */
export interface EmittedNode {
  readonly node: NodeMessage;
  readonly source: Source | null;
  /** Shapes of its outputs, as they were evaluated. */
  readonly outputs: readonly Shape[];
}

/** More equations than a model has that is not unrolled without end. */
const MOST_EQUATIONS = 100_000;
/** Subgraphs and functions inside of one another. */
const DEEPEST = 64;
const MOST_ELEMENTS = 2 ** 45;
/** Elements of a weight that the file gives by one number and a shape. */
const MOST_FILLED = 2 ** 27;

/** What names stand for in a graph; a subgraph knows those of the graphs that it is in. */
interface Scope {
  readonly items: Map<string, Item>;
  readonly outer: Scope | null;
}

/** Refuses what a damaged or a hostile file may ask for, before it is made. */
class BoundedBuilder extends Builder {
  constructor() {
    super(inferShapes);
  }

  override emit(primitive: string, inputs: readonly Value[], attributes: Attributes): Value[] {
    if (this.equations.length >= MOST_EQUATIONS) {
      throw new ModelError(
        `with it the model has more than ${MOST_EQUATIONS} operations; shorten its loops or its sequences`,
      );
    }
    const outputs = super.emit(primitive, inputs, attributes);
    for (const { shape } of outputs) {
      const isShape = shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
      if (!isShape || sizeOf(shape) > MOST_ELEMENTS) {
        throw new ModelError(`its result has the impossible shape ${formatShape(shape)}`);
      }
    }
    return outputs;
  }
}

/**
 * Turns an ONNX graph into equations: each node is emitted with the shapes that its inputs have. What depends on the
 * weights and constants alone is there as numbers where an operator asks for it, so that computed sizes are sizes.
 */
export class Evaluation {
  readonly builder: Builder = new BoundedBuilder();
  /** By name, in the order of their first use. */
  readonly weights = new Map<string, ReadWeight>();
  private readonly byValue = new Map<Value, ReadWeight>();
  readonly notes = new Set<string>();
  /** What became of the graph's nodes, with all that they hold. */
  readonly emitted = new Emitted<EmittedNode>();
  private readonly known = new KnownElements(this.builder);
  private readonly functions: ReadonlyMap<string, FunctionMessage>;
  private readonly initializers = new Map<string, () => TypedTensor>();
  /** Those of graphs inside of the model's. */
  private readonly inner = new Map<TensorMessage, TensorItem>();
  private readonly operands: ReadonlyMap<string, "parameter" | "buffer">;
  /** What the file says of the types of values. */
  private readonly described: ReadonlyMap<string, TypeMessage | undefined>;
  /** Extents by the names that the inputs' types have for them. */
  private readonly extents = new Map<string, number>();
  private readonly places = new Map<NodeMessage, Source | null>();
  private depth = 0;

  constructor(
    private readonly model: ModelMessage,
    private readonly graph: GraphMessage,
    private readonly tensors: FileTensors,
  ) {
    this.functions = new Map(model.functions.map((each) => [functionKey(each.domain, each.name, each.overload), each]));
    for (const message of graph.initializer) {
      this.initializers.set(message.name ?? "", () => tensors.initializer(message));
    }
    for (const message of graph.sparseInitializer) {
      this.initializers.set(message.values?.name ?? "", () => tensors.sparse(message));
    }
    this.operands = weightOperands(graph);
    this.described = new Map([...graph.valueInfo, ...graph.output].map(({ name = "", type }) => [name, type]));
  }

  /** The graph's outputs, given the inputs that are no initialisers. */
  run(inputs: ReadonlyMap<string, TensorItem>): TensorItem[] {
    const scope: Scope = { items: new Map(inputs), outer: null };
    for (const { name = "", type } of this.graph.input) {
      type?.tensorType?.shape?.dim.forEach(({ dimParam }, axis) => {
        const extent = inputs.get(name)?.value.shape[axis];
        if (dimParam && extent !== undefined) this.extents.set(dimParam, extent);
      });
    }
    this.evaluateNodes(this.graph.node, scope, new Map(), this.model.opsetImport);
    return this.graph.output.map(({ name = "" }) => {
      const item = this.lookUp(scope, name);
      if (item === null) throw new ModelError(`no node gives the output ${name}; export the model again`);
      if (item.kind !== "tensor") {
        throw new Unsupported(
          `the output ${name} is ${item.kind === "none" ? "an empty optional" : "a sequence"}, not a tensor`,
        );
      }
      return item;
    });
  }

  elementsOf(value: Value): Tensor | null {
    return this.known.elementsOf(value);
  }

  private lookUp(scope: Scope, name: string): Item | null {
    for (let inner: Scope | null = scope; inner !== null; inner = inner.outer) {
      const item = inner.items.get(name);
      if (item !== undefined) return item;
    }
    const read = this.initializers.get(name);
    return read === undefined ? null : this.initializer(name, read());
  }

  /** An initialiser where it is used: a parameter or a buffer if it may be one, else a constant. */
  private initializer(name: string, tensor: TypedTensor): TensorItem {
    const weight = this.weights.get(name);
    if (weight) return { kind: "tensor", value: weight.value, type: tensor.type };
    if (!isWeight(name, tensor, this.operands.has(name))) {
      const value = constantOf(this.builder, tensor.data, tensor.shape, tensor.dtype);
      return { kind: "tensor", value, type: tensor.type };
    }
    return this.weight(name, tensor, tensor.type);
  }

  private weight(name: string, tensor: Tensor, type: ElementType): TensorItem {
    const value: Value = { shape: tensor.shape, dtype: tensor.dtype };
    this.known.give(value, tensor);
    if (smallFloats[type]) this.notes.add(`numbers of the type ${type} are computed as float32`);
    const weight: ReadWeight = { name, role: this.operands.get(name) ?? "parameter", value, tensor, user: null };
    this.weights.set(name, weight);
    this.byValue.set(value, weight);
    return { kind: "tensor", value, type };
  }

  private evaluateNodes(
    nodes: readonly NodeMessage[],
    scope: Scope,
    attributes: ReadonlyMap<string, AttributeMessage>,
    opsets: readonly OperatorSetMessage[],
  ): void {
    if (++this.depth > DEEPEST) {
      throw new ModelError("its graphs or functions are nested without end; export the model again");
    }
    for (const node of nodes) {
      const source = this.placeOf(node);
      const before = this.builder.equations.length;
      const outputs = this.builder.at(source, () => this.evaluateNode(node, source, scope, attributes, opsets));
      if (this.depth === 1) {
        const shapes = outputs.flatMap((item) => (item?.kind === "tensor" ? [item.value.shape] : []));
        this.emitted.note({ node, source, outputs: shapes }, this.builder.equations.slice(before));
      }
      node.output.forEach((name, index) => {
        const item = outputs[index] ?? null;
        if (name !== "" && item !== null) scope.items.set(name, item);
      });
    }
    this.depth--;
  }

  private placeOf(node: NodeMessage): Source | null {
    let place = this.places.get(node);
    if (place === undefined) this.places.set(node, (place = placeOfNode(node)));
    return place;
  }

  private evaluateNode(
    node: NodeMessage,
    source: Source | null,
    scope: Scope,
    outer: ReadonlyMap<string, AttributeMessage>,
    opsets: readonly OperatorSetMessage[],
  ): (Item | null)[] {
    const isStandard = (node.domain ?? "") === "" || node.domain === "ai.onnx";
    const label = `${node.opType ?? "a node"}${node.name ? ` ${node.name}` : ""}`;
    const before = this.builder.equations.length;
    try {
      const items = node.input.map((name) => {
        if (name === "") return null;
        const item = this.lookUp(scope, name);
        if (item !== null) return item;
        throw new ModelError(
          `it takes ${name}, which no node before it gives: the graph has a cycle, or is not in order`,
        );
      });
      const attributes = node.attribute.flatMap((attribute) => {
        if (!attribute.refAttrName) return [attribute];
        const referred = outer.get(attribute.refAttrName);
        return referred ? [{ ...referred, name: attribute.name }] : [];
      });
      const own = this.functions.get(functionKey(node.domain, node.opType, node.overload));
      if (own !== undefined) return this.call(own, items, attributes);
      const version = opsets.find(
        ({ domain = "" }) => domain === (node.domain ?? "") || (isStandard && (domain === "" || domain === "ai.onnx")),
      )?.version;
      const operator = isStandard && Object.hasOwn(operators, node.opType ?? "") ? operators[node.opType ?? ""] : null;
      if (operator === null) {
        const outputs = this.opaque(node, items, isStandard ? null : node.domain!);
        this.noteUsers(node, source, items, outputs, before);
        return outputs;
      }
      const reading: Reading = {
        file: this.tensors.file,
        builder: this.builder,
        elementsOf: (value) => this.known.elementsOf(value)?.data ?? null,
        describedShape: (name) => this.describedType(name)?.shape ?? null,
        note: (message) => this.notes.add(message),
        evaluate: (graph, inputs) => this.subgraph(graph, inputs, scope, outer, opsets),
      };
      const call = new Call(node, version ?? 1, items, reading, attributes);
      const result = operator(call);
      const first = items[0]?.kind === "tensor" ? items[0].type : null;
      const outputs = (isList(result) ? result : [result]).map((output) => output && itemOf(output, first));
      const named = outputs.map((item, index) => this.computedWeight(node, item, index));
      this.noteUsers(node, source, items, named, before);
      return named;
    } catch (error) {
      throw labelled(error, label, source ?? { file: this.tensors.file, line: 1, column: 1 });
    }
  }

  /** An operator without a rule: what the file says of its results is all that is known of it. */
  private opaque(node: NodeMessage, items: readonly (Item | null)[], domain: string | null): (Item | null)[] {
    const what = `the operator ${node.opType}${domain === null ? "" : ` of the domain ${domain}`}`;
    const types = node.output.map((name) => (name === "" ? null : this.describedType(name)));
    const unknown = node.output.find((name, index) => name !== "" && types[index] === null);
    if (unknown !== undefined || types.every((type) => type === null)) {
      throw new Unsupported(
        `there is no rule for ${what}, and the file does not say of which shape its output ${unknown ?? ""} is; export ` +
          "the model without it, or with the shapes of all values",
      );
    }
    const inputs = items.flatMap((item) => {
      if (item?.kind === "sequence") throw new Unsupported(`there is no rule for ${what}, which takes a sequence`);
      return item?.kind === "tensor" ? [item.value] : [];
    });
    const outputs = types.flatMap((type) => (type === null ? [] : [{ shape: type.shape, dtype: dtypeOf(type.type) }]));
    const attributes: OpaqueAttributes = {
      framework: domain === null ? "an ONNX runtime" : `the runtime of ${domain}`,
      kernel: domain === null ? node.opType! : `${domain}.${node.opType}`,
      attributes: {},
      outputs,
      vjp: null,
    };
    const values = ops.emit(this.builder, "opaque", inputs, attributes);
    let at = 0;
    return types.map((type) => (type === null ? null : { kind: "tensor", value: values[at++], type: type.type }));
  }

  /** The type of a value of the model's own graph as the file has it; null where that leaves something open. */
  private describedType(name: string): { readonly shape: Shape; readonly type: ElementType } | null {
    const type = this.depth === 1 ? this.described.get(name)?.tensorType : undefined;
    const shape = type?.shape?.dim.map(({ dimValue, dimParam }) => dimValue ?? this.extents.get(dimParam ?? ""));
    if (!shape?.every((extent) => extent !== undefined)) return null;
    return { shape: checkedShape(shape, `its output ${name}`), type: elementTypeOf(type!.elemType) };
  }

  /** A function of the model's own: its nodes, with the call's inputs and attributes. */
  private call(
    own: FunctionMessage,
    items: readonly (Item | null)[],
    attributes: readonly AttributeMessage[],
  ): (Item | null)[] {
    const scope: Scope = { items: new Map(), outer: null };
    own.input.forEach((name, index) => {
      const item = items[index] ?? null;
      if (item !== null) scope.items.set(name, item);
    });
    const given = new Map([...own.attributeProto, ...attributes].map((attribute) => [attribute.name ?? "", attribute]));
    const missing = new Set(own.input.filter((_, index) => (items[index] ?? null) === null));
    const nodes = own.node.map((node) => ({
      ...node,
      input: node.input.map((name) => (missing.has(name) ? "" : name)),
    }));
    this.evaluateNodes(nodes, scope, given, own.opsetImport);
    return own.output.map((name) => scope.items.get(name) ?? null);
  }

  private subgraph(
    graph: GraphMessage,
    inputs: readonly (Item | null)[],
    outer: Scope,
    attributes: ReadonlyMap<string, AttributeMessage>,
    opsets: readonly OperatorSetMessage[],
  ): Item[] {
    const scope: Scope = { items: new Map(), outer };
    graph.input.forEach(({ name = "" }, index) => {
      const item = inputs[index] ?? null;
      if (item !== null) scope.items.set(name, item);
    });
    for (const message of graph.initializer) {
      let item = this.inner.get(message);
      if (item === undefined) {
        item = this.initializer(this.freeName(message.name ?? ""), this.tensors.initializer(message));
        this.inner.set(message, item);
      }
      scope.items.set(message.name ?? "", item);
    }
    this.evaluateNodes(graph.node, scope, attributes, opsets);
    return graph.output.map(({ name = "" }) => {
      const item = this.lookUp(scope, name);
      if (item === null) throw new ModelError(`no node of its graph gives ${name}`);
      return item;
    });
  }

  /** Graphs inside of others have names of their own, which parameters have not. */
  private freeName(name: string): string {
    let free = name;
    for (let number = 1; this.weights.has(free) || this.initializers.has(free); number++) free = `${name}_${number}`;
    return free;
  }

  /** A constant that stands in a weight's place is a weight, though a node makes it. */
  private computedWeight(node: NodeMessage, item: Item | null, index: number): Item | null {
    const name = node.output[index];
    if (item?.kind !== "tensor" || (node.opType !== "Constant" && node.opType !== "ConstantOfShape")) return item;
    if (!this.operands.has(name) || !isFloat(item.value.dtype)) return item;
    const known = this.weights.get(name);
    if (known) return { ...item, value: known.value };
    const tensor = this.tensors.once(node, () => this.filled(item.value));
    return this.weight(name, tensor, item.type);
  }

  /** The elements of a constant node, of which those of one and the same number may be many. */
  private filled(value: Value): Tensor {
    const { shape, dtype } = value;
    if (sizeOf(shape) > MOST_FILLED) {
      throw new ModelError(`it makes a weight of the shape ${formatShape(shape)}, which is too large`);
    }
    const last = this.builder.equations.at(-1);
    const isFull = last?.primitive === "broadcast_in_dim" && last.outputs.includes(value);
    const elements = this.known.elementsOf(isFull ? last.inputs[0] : value)!.data;
    const data = newArray(dtype, sizeOf(shape));
    if (elements.length === 1) data.fill(elements[0]);
    else data.set(elements);
    return { shape, dtype, data };
  }

  /** Which node uses a weight first. */
  private noteUsers(
    node: NodeMessage,
    source: Source | null,
    inputs: readonly (Item | null)[],
    outputs: readonly (Item | null)[],
    before: number,
  ): void {
    if (this.builder.equations.length === before) return;
    for (const item of inputs) {
      const weight = item?.kind === "tensor" ? this.byValue.get(item.value) : undefined;
      if (weight?.user !== null) continue;
      const shapes = outputs.slice(0, 1).flatMap((output) => (output?.kind === "tensor" ? [output.value.shape] : []));
      weight.user = { node, source, outputs: shapes };
    }
  }
}

function functionKey(domain = "", name = "", overload = ""): string {
  return `${domain === "ai.onnx" ? "" : domain}:${name}:${overload}`;
}

/** A name that an exporter has made up, for what it has computed itself. */
const NUMBERED = /^(val|const|onnx::\w+?|_val|tmp)_?\d+$/i;

/**
 * Whether an initialiser may be a weight: floats, and more than one, unless it stands in a weight's place. An exporter's own
 * ones and zeros are none.
 */
function isWeight(name: string, { dtype, shape, data }: TypedTensor, isOperand: boolean): boolean {
  if (!isFloat(dtype) || (sizeOf(shape) <= 1 && !isOperand)) return false;
  return !NUMBERED.test(name) || data.some((element) => element !== data[0]);
}

function isList<T>(result: T | readonly T[]): result is readonly T[] {
  return Array.isArray(result);
}

/** What went wrong, with the node that it went wrong at: the innermost one, where nodes hold graphs. */
function labelled(error: unknown, label: string, source: Source): Error {
  if (error instanceof ModelError && error.source !== null) return error;
  const message = `${label}: ${messageOf(error)}`;
  if (error instanceof ElementsNeeded) return new ElementsNeeded(message, source);
  if (error instanceof Unsupported) return new Unsupported(message, source);
  return new ModelError(message, source);
}
