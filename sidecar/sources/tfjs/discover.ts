import { isBuiltin } from "node:module";
import type { CallExpression, Class, Function as FunctionNode, NewExpression, Node, Pattern, Program } from "acorn";
import { ModelError } from "../../graph/errors";
import type { DiscoveredModel } from "../discover";
import { boundIn, parameterName, parseCode, type Bound } from "./bindings";
import { annotations, type AnnotationAt } from "./annotations";
import { tensorflowPackages } from "./packages";
import { isFunction, lastName, memberPath, nodesIn, returnedBy, rootName, unwrapped } from "./syntax";

/**
 * Which of a code file's top-level bindings are models, or make them, as far as the text shows. The names found are
 * those that EXPORT takes.
 */

/** Longer files are not written by hand. */
const LONGEST = 2e6;

export function mayHoldCodeModels(text: string): boolean {
  return text.length <= LONGEST && text.includes("@tensorflow/tfjs");
}

export async function discoverInCode(file: string, text: string): Promise<DiscoveredModel[] | null> {
  let parsed;
  try {
    parsed = await parseCode(file, text);
  } catch (error) {
    if (error instanceof ModelError) return null;
    throw error;
  }
  if (!parsed) return null;
  const { program } = parsed;
  const imports = importsOf(program);
  if (imports.tensorflow === null) return [];
  const reader = new Reader(program, imports.tensorflow, imports.other, annotations(text, parsed));
  return reader.bound
    .flatMap((bound) => {
      const found = reader.describe(bound);
      const { line, column } = parsed.placeOf(bound.node);
      return found ? [{ export: bound.name, ...found, line, column }] : [];
    })
    .sort((p, q) => p.line - q.line || p.column - q.column);
}

/** Local names of what is imported; a namespace of TensorFlow.js has the name `*`. */
interface Imports {
  /** null where the file does not import it at all. */
  readonly tensorflow: ReadonlyMap<string, string> | null;
  readonly other: ReadonlySet<string>;
}

function importsOf(program: Program): Imports {
  const tensorflow = new Map<string, string>();
  const other = new Set<string>();
  let found = false;
  const bind = (specifier: string, local: string, imported: string): void => {
    if (tensorflowPackages.test(specifier)) tensorflow.set(local, imported);
    else if (!isBuiltin(specifier)) other.add(local);
  };
  for (const node of nodesIn(program)) {
    const specifier = importedBy(node);
    if (specifier !== null && tensorflowPackages.test(specifier)) found = true;
    if (node.type === "ImportDeclaration") {
      for (const one of node.specifiers) {
        const named = one.type === "ImportSpecifier" && one.imported.type === "Identifier" ? one.imported.name : "*";
        bind(String(node.source.value), one.local.name, named === "default" ? "*" : named);
      }
    } else if (node.type === "VariableDeclarator" && node.init) {
      const from = importedBy(unwrapped(node.init));
      if (from === null) continue;
      for (const [local, imported] of takenOut(node.id)) bind(from, local, imported);
    }
  }
  return { tensorflow: found ? tensorflow : null, other };
}

/** The specifier of an import, `require` or `import()`. */
function importedBy(node: Node): string | null {
  const inner = unwrapped(node);
  if (inner.type === "ImportDeclaration") return String(inner.source.value);
  let argument: Node | undefined;
  if (inner.type === "ImportExpression") argument = inner.source;
  else if (inner.type === "CallExpression" && rootName(inner.callee) === "require") argument = inner.arguments[0];
  const { type, value } = (argument ?? {}) as { type?: string; value?: unknown };
  return type === "Literal" && typeof value === "string" ? value : null;
}

/** `tf` and `{ sequential, model: make }`, with the names that they have where they come from. */
function takenOut(pattern: Pattern): [local: string, imported: string][] {
  if (pattern.type === "Identifier") return [[pattern.name, "*"]];
  if (pattern.type !== "ObjectPattern") return [];
  return pattern.properties.flatMap((property): [string, string][] =>
    property.type === "Property" && property.key.type === "Identifier" && property.value.type === "Identifier"
      ? [[property.value.name, property.key.name]]
      : [],
  );
}

const MODEL_MAKERS = /^(?:sequential|model|loadLayersModel|loadGraphModel)$/;
const MODEL_CLASSES = /^(?:Model|LayersModel|Sequential|GraphModel)$/;

/** Methods of models, and of anything else, that give no model. */
const NO_MODELS =
  /^(?:apply|call|predict|predictOnBatch|fit|fitDataset|trainOnBatch|evaluate|evaluateDataset|save|dataSync|arraySync)$/;

/** What TensorFlow.js has beside operations on tensors. */
const NO_OPERATIONS =
  /^(?:layers|initializers|regularizers|constraints|metrics|callbacks|models|train|data|io|browser|env|util|serialization|backend|setBackend|getBackend|ready|nextFrame|memory|profile|time|dispose|disposeVariables|keep|print|input|Input|variable|scalar|tensor\d?d?|zeros|ones|fill|range|linspace|eye|buffer|random\w+|truncatedNormal|sequential|model|load\w+|register\w+|get\w+|version\w*|enable\w+)$/;

/** Methods of tensors whose names neither arrays nor strings have. */
const TENSOR_METHODS =
  /^(?:abs|acosh?|add|argMax|argMin|as[1-5]D|asScalar|asinh?|atan[2h]?|avgPool|batchNorm|broadcastTo|ceil|clipByValue|conv[12]d|conv2dTranspose|cosh?|cumprod|cumsum|depthToSpace|depthwiseConv2d|div|divNoNan|dot|elu|equal|erf|euclideanNorm|exp|expandDims|expm1|flatten|floor|floorDiv|gather|greater|greaterEqual|leakyRelu|less|lessEqual|log1?p?|logSigmoid|logSoftmax|logSumExp|logical\w+|matMul|max|maxPool|maximum|mean|min|minimum|mod|mul|neg|norm|notEqual|oneHot|onesLike|pad|pool|pow|prelu|prod|reciprocal|relu6?|reshape|reshapeAs|resize\w+|rsqrt|selu|separableConv2d|sigmoid|sign|sinh?|softmax|softplus|sqrt|square|squaredDifference|squeeze|stridedSlice|sub|sum|tanh?|tile|transpose|unstack|where|zerosLike)$/;

type Call = CallExpression | NewExpression;
type Description = Pick<DiscoveredModel, "kind" | "takes" | "inputs">;

/** A function of the file's own, and what its body shows. */
interface Facts {
  readonly makesModel: boolean;
  readonly usesTensors: boolean;
  readonly usesImport: boolean;
  /** Functions that it calls. */
  readonly calls: ReadonlySet<string>;
}

class Reader {
  readonly bound: readonly Bound[];
  private readonly functions = new Map<string, FunctionNode>();
  private readonly classes = new Map<string, Class>();
  private readonly facts = new Map<FunctionNode, Facts>();
  /** Names of functions of the file that, by themselves or by what they call, make models or compute with tensors. */
  private readonly factories: ReadonlySet<string>;
  private readonly computing: ReadonlySet<string>;
  private readonly importing: ReadonlySet<string>;

  constructor(
    program: Program,
    private readonly tensorflow: ReadonlyMap<string, string>,
    private readonly imported: ReadonlySet<string>,
    private readonly annotationAt: AnnotationAt,
  ) {
    this.bound = withAssignments(program, boundIn(program));
    for (const { name, value } of this.bound) {
      if (isFunction(value)) this.functions.set(name, value);
      else if (value?.type === "ClassDeclaration" || value?.type === "ClassExpression") {
        this.classes.set(name, value as Class);
      }
    }
    this.factories = this.spread(
      (facts) => facts.makesModel,
      (callable) => returnedBy(callable).some((result) => mayBeModel(result, callable)),
    );
    this.computing = this.spread((facts) => facts.usesTensors);
    this.importing = this.spread(
      (facts) => facts.usesImport,
      (callable) => returnedBy(callable).length > 0,
    );
  }

  describe({ value, isExported, node }: Bound): Description | null {
    if (value === null) return null;
    if (isFunction(value)) {
      if (this.isFactory(value)) return { kind: "factory", takes: takenBy(value) };
      if (!isExported || !this.isOnTensors(value)) return null;
      const takes = takenBy(value);
      return { kind: "function", takes, inputs: takes };
    }
    if (this.makesModel(value)) return { kind: "model", takes: [] };
    const isUnknown = isExported && this.isForeignCall(value) && this.annotationAt(node) !== "no tensor";
    return isUnknown ? { kind: "unknown", takes: [] } : null;
  }

  /** The names of the functions for which `holds`, or that call such a function. */
  private spread(
    holds: (facts: Facts) => boolean,
    accepts: (callable: FunctionNode) => boolean = () => true,
  ): Set<string> {
    const candidates = [...this.functions].filter(([, callable]) => accepts(callable));
    const names = new Set<string>();
    for (let before = -1; before !== names.size;) {
      before = names.size;
      for (const [name, callable] of candidates) {
        const facts = this.factsOf(callable);
        if (holds(facts) || [...facts.calls].some((called) => names.has(called))) names.add(name);
      }
    }
    return names;
  }

  private factsOf(callable: FunctionNode): Facts {
    const known = this.facts.get(callable);
    if (known) return known;
    const parameters = new Set(callable.params.map(parameterName));
    const calls = new Set<string>();
    let makesModel = false;
    let usesTensors = false;
    let usesImport = false;
    for (const node of nodesIn(callable.body)) {
      if (node.type !== "CallExpression" && node.type !== "NewExpression") continue;
      makesModel ||= this.isModelMaker(node);
      usesTensors ||= this.isOperation(node, parameters);
      usesImport ||= this.imported.has(rootName(node) ?? "");
      if (node.callee.type === "Identifier") calls.add(node.callee.name);
      // `list.map(block)`
      for (const argument of node.arguments) if (argument.type === "Identifier") calls.add(argument.name);
    }
    const facts = { makesModel, usesTensors, usesImport, calls };
    this.facts.set(callable, facts);
    return facts;
  }

  private isFactory(callable: FunctionNode): boolean {
    if (!returnedBy(callable).some((result) => mayBeModel(result, callable))) return false;
    const { makesModel, calls } = this.factsOf(callable);
    return makesModel || [...calls].some((name) => this.factories.has(name));
  }

  /** A function that can be differentiated: it computes with tensors, and nothing that it needs is something else. */
  private isOnTensors(callable: FunctionNode): boolean {
    const required = callable.params.filter(isRequired);
    if (required.length === 0 || required.some((parameter) => this.annotationAt(parameter) === "no tensor"))
      return false;
    const { usesTensors, calls } = this.factsOf(callable);
    return returnedBy(callable).length > 0 && (usesTensors || [...calls].some((name) => this.computing.has(name)));
  }

  /** `tf.sequential()`, `new Net()`, `create()`, a choice between such, and functions that are called on the spot. */
  private makesModel(value: Node): boolean {
    const pending = [value];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const node = unwrapped(next);
      if (node.type === "ConditionalExpression") pending.push(node.consequent, node.alternate);
      else if (node.type === "LogicalExpression") pending.push(node.left, node.right);
      else if (node.type === "SequenceExpression") pending.push(node.expressions[node.expressions.length - 1]);
      else if (node.type === "AssignmentExpression") pending.push(node.right);
      else if (node.type === "CallExpression" || node.type === "NewExpression") {
        if (this.isModelMaker(node)) return true;
        const callee = unwrapped(node.callee);
        if (callee.type === "Identifier" && this.factories.has(callee.name)) return true;
        const [body] = lastName(node.callee) === "tidy" ? node.arguments : [callee];
        if (body && isFunction(body) && this.isFactory(body)) return true;
        if (body?.type === "Identifier" && this.factories.has(body.name)) return true;
      }
    }
    return false;
  }

  private isModelMaker(call: Call): boolean {
    const { callee } = call;
    if (callee.type === "Super") return false;
    if (call.type === "NewExpression") return this.isModelClass(callee);
    const inner = unwrapped(callee);
    if (inner.type === "Identifier") return MODEL_MAKERS.test(this.tensorflow.get(inner.name) ?? "");
    const isOwn = inner.type === "MemberExpression" && /^(?:This|Super)/.test(unwrapped(inner.object).type);
    return !isOwn && MODEL_MAKERS.test(lastName(inner) ?? "");
  }

  private isModelClass(callee: Node): boolean {
    const seen = new Set<Node>();
    for (let node: Node = callee; !seen.has(node);) {
      seen.add(node);
      const inner = unwrapped(node);
      if (inner.type === "MemberExpression") return MODEL_CLASSES.test(lastName(inner) ?? "");
      if (inner.type !== "Identifier") return false;
      const own = this.classes.get(inner.name);
      if (!own) return MODEL_CLASSES.test(this.tensorflow.get(inner.name) ?? "");
      if (!own.superClass) return false;
      node = own.superClass;
    }
    return false;
  }

  private isOperation({ callee }: Call, parameters: ReadonlySet<string>): boolean {
    const path = memberPath(callee);
    if (path === null) return false;
    const [root, first] = path;
    const imported = this.tensorflow.get(root);
    if (imported !== undefined) {
      const operation = imported === "*" ? first : imported;
      return operation !== undefined && /^[a-z]/.test(operation) && !NO_OPERATIONS.test(operation);
    }
    return path.length === 2 && parameters.has(root) && TENSOR_METHODS.test(first);
  }

  /** A call of something from elsewhere, of which the text does not show what it gives. */
  private isForeignCall(value: Node): boolean {
    const node = unwrapped(value);
    if (node.type !== "CallExpression" && node.type !== "NewExpression") return false;
    const root = rootName(node) ?? "";
    return this.imported.has(root) || (node.callee.type === "Identifier" && this.importing.has(root));
  }
}

/** Whether what a function returns can be a model: a name stands for what it is bound to inside the function. */
function mayBeModel(result: Node, callable: FunctionNode): boolean {
  let node = unwrapped(result);
  if (node.type === "Identifier") {
    const { name } = node;
    for (const inner of nodesIn(callable.body)) {
      const isIt = inner.type === "VariableDeclarator" && inner.id.type === "Identifier" && inner.id.name === name;
      if (isIt && inner.init) node = unwrapped(inner.init);
    }
  }
  if (node.type === "CallExpression") return !NO_MODELS.test(lastName(node.callee) ?? "");
  return !/^(?:Literal|TemplateLiteral|ArrayExpression|ObjectExpression|BinaryExpression|UnaryExpression)$/.test(
    node.type,
  );
}

function isRequired({ type }: Pattern): boolean {
  return type !== "AssignmentPattern" && type !== "RestElement";
}

function takenBy(callable: FunctionNode): string[] {
  return callable.params.map(
    (parameter, index) => `${parameterName(parameter, index)}${isRequired(parameter) ? "" : "?"}`,
  );
}

/** Adds what is bound otherwise: `name = ...`, `export default ...` of no name, and the exports of CommonJS. */
function withAssignments(program: Program, declared: readonly Bound[]): Bound[] {
  const bound = new Map(declared.map((one) => [one.name, one]));
  const exporting = (name: string, value: Node): void => {
    if (value.type === "Identifier") {
      const local = bound.get((value as Node & { name: string }).name);
      if (local) bound.set(local.name, { ...local, isExported: true });
    } else bound.set(name, { name, node: value, isExported: true, value });
  };
  for (const statement of program.body) {
    if (statement.type === "ExportDefaultDeclaration") {
      const { declaration } = statement;
      const isNamed = "id" in declaration && declaration.id && declaration.type.endsWith("Declaration");
      if (!isNamed) exporting("default", declaration);
    }
    if (statement.type !== "ExpressionStatement" || statement.expression.type !== "AssignmentExpression") continue;
    const { left, right } = statement.expression;
    const path = left.type === "Identifier" || left.type === "MemberExpression" ? memberPath(left) : null;
    if (path === null) continue;
    const [root, ...rest] = path[0] === "module" && path[1] === "exports" ? path.slice(1) : path;
    const known = bound.get(root);
    if (rest.length === 0 && known) bound.set(root, { ...known, value: right });
    else if (root === "exports" && rest.length === 1) exporting(rest[0], right);
    else if (root === "exports" && rest.length === 0 && path.length === 2) {
      if (right.type !== "ObjectExpression") exporting("default", right);
      else {
        for (const property of right.properties) {
          if (property.type === "Property" && !property.computed && property.key.type === "Identifier") {
            exporting(property.key.name, property.value);
          }
        }
      }
    }
  }
  return [...bound.values()];
}
