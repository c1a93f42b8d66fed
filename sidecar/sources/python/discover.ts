import { logicalLines, type LogicalLine, type Token } from "./tokens";

/** Which models a Python file has, from its text alone: nothing of it is run. */

export interface PythonModel {
  /** As #EXPORT names it. */
  readonly name: string;
  /** A subclass of `nn.Module`, a module that is made when the file is imported, or a function that returns one. */
  readonly kind: "class" | "instance" | "factory";
  /** Parameters of the constructor or function; a `?` follows the name of one that may be left out. */
  readonly takes: readonly string[];
  /** Inputs of its `forward`, likewise, as far as the text tells which class it is of. */
  readonly inputs: readonly string[];
  /** 1-based: where the name is bound. */
  readonly line: number;
  readonly column: number;
  /** Whether another class or factory of the file makes use of it. */
  readonly isPart: boolean;
}

/** A look at the text that takes next to no time, and tells most files that have no model. */
export function mayHoldPythonModels(text: string): boolean {
  return /\btorch\b|\bnn\b|\bModule\b|\bdef\s+forward\b/.test(text);
}

/** The models that may be meant where none is named: those that are made, or else those that are no part of another. */
export function wholesOf(models: readonly PythonModel[]): readonly PythonModel[] {
  const instances = models.filter(({ kind }) => kind === "instance");
  return instances.length > 0 ? instances : models.filter(({ isPart }) => !isPart);
}

/** In the order of their lines; of names that are bound twice, the last. */
export function discoverInPython(text: string): PythonModel[] {
  if (!mayHoldPythonModels(text)) return [];
  const statements = statementsOf(logicalLines(text));
  const known = new Known(statements);
  const found = new Map<string, Omit<PythonModel, "isPart"> & { readonly uses: ReadonlySet<string> }>();
  for (const statement of statements) {
    const model = known.modelOf(statement);
    if (model === null) continue;
    found.delete(model.name);
    found.set(model.name, { ...model, uses: namesIn(statement) });
  }
  const models = [...found.values()];
  return models.map(({ uses: _uses, ...model }) => ({
    ...model,
    isPart: models.some(({ name, kind, uses }) => kind !== "instance" && name !== model.name && uses.has(model.name)),
  }));
}

const MODULES_OWN = /^(eval|train|to|cpu|cuda|float|double|half|bfloat16|requires_grad_|apply)$/;

/** A statement at the top level, with the lines that belong to it. */
interface Statement {
  readonly head: readonly Token[];
  /** With decorators taken away. */
  readonly body: readonly LogicalLine[];
  readonly decorators: readonly LogicalLine[];
}

function statementsOf(lines: readonly LogicalLine[]): Statement[] {
  const statements: { head: readonly Token[]; body: LogicalLine[]; decorators: LogicalLine[] }[] = [];
  let decorators: LogicalLine[] = [];
  for (const line of lines.flatMap(apart)) {
    if (line.indent > 0) {
      statements.at(-1)?.body.push(line);
    } else if (line.tokens[0].text === "@") {
      decorators.push(line);
    } else {
      statements.push({ head: line.tokens, body: [], decorators });
      decorators = [];
    }
  }
  return statements;
}

/** The head of a function or class, and what stands behind its colon, as a line of its own. */
function apart(line: LogicalLine): LogicalLine[] {
  const { indent, tokens } = line;
  if (!/^(def|class)$/.test(tokens[0].text)) return [line];
  let at = 1;
  while (at < tokens.length && tokens[at].text !== ":")
    at = "([{".includes(tokens[at].text) ? closingAt(tokens, at) + 1 : at + 1;
  const rest = tokens.slice(at + 1);
  return [
    { indent, tokens: tokens.slice(0, at + 1) },
    ...(rest.length > 0 ? [{ indent: indent + 1, tokens: rest }] : []),
  ];
}

function namesIn({ head, body, decorators }: Statement): Set<string> {
  const tokens = [head.slice(2), ...[...body, ...decorators].map(({ tokens }) => tokens)].flat();
  return new Set(tokens.filter(({ kind }) => kind === "name").map(({ text }) => text));
}

/** What a file's names stand for, as far as its text tells. */
class Known {
  /** Names that modules of PyTorch's are reached by: `nn`, `torch.nn`. */
  private readonly packages = new Set(["nn", "torch.nn"]);
  /** Classes of PyTorch's that are imported by name, and of the file's own. */
  private readonly classes = new Set<string>();
  /** Inputs of what each factory returns. */
  private readonly factories = new Map<string, readonly string[]>();
  /** Parameters of constructors of the file's own classes. */
  private readonly parameters = new Map<string, readonly string[]>();
  /** Inputs of the file's own classes. */
  private readonly inputs = new Map<string, readonly string[]>();

  constructor(statements: readonly Statement[]) {
    for (const { head, body } of statements) {
      this.import(head);
      for (const { tokens } of body) this.import(tokens);
    }
    for (const statement of statements) {
      const { head } = statement;
      if (head[0].text === "class" && head[1]?.kind === "name") {
        if (!this.isModuleClass(statement)) continue;
        this.classes.add(head[1].text);
        this.parameters.set(head[1].text, this.methodTakes(statement, "__init__", this.parameters));
        this.inputs.set(head[1].text, this.methodTakes(statement, "forward", this.inputs));
      } else if (isFunction(head)) {
        const inputs = this.returnedInputs(statement);
        if (inputs !== null) this.factories.set(nameOf(head).text, inputs);
      }
    }
  }

  modelOf(statement: Statement): Omit<PythonModel, "isPart"> | null {
    const { head } = statement;
    if (head[0].text === "class") {
      const name = head[1];
      if (name?.kind !== "name" || !this.classes.has(name.text)) return null;
      const takes = this.parameters.get(name.text) ?? [];
      return { name: name.text, kind: "class", takes, inputs: this.inputs.get(name.text) ?? [], ...placeOf(name) };
    }
    if (isFunction(head)) {
      const name = nameOf(head);
      const inputs = this.factories.get(name.text);
      if (inputs === undefined) return null;
      return { name: name.text, kind: "factory", takes: parametersOf(head), inputs, ...placeOf(name) };
    }
    const value = assignedValue(head);
    const inputs = value && this.madeInputs(value);
    if (inputs === null) return null;
    return { name: head[0].text, kind: "instance", takes: [], inputs, ...placeOf(head[0]) };
  }

  /** `import torch.nn as nn`, `from torch import nn as layers`, `from torch.nn import Module, Linear as Dense`. */
  private import(tokens: readonly Token[]): void {
    const from = tokens[0].text === "from";
    if (!from && tokens[0].text !== "import") return;
    const texts = tokens.map(({ text }) => text);
    const at = from ? texts.indexOf("import") : 0;
    if (at < 0) return;
    const origin = from ? texts.slice(1, at).join("") : "";
    for (const part of splitAt(
      texts.slice(at + 1).filter((text) => text !== "(" && text !== ")"),
      ",",
    )) {
      const as = part.indexOf("as");
      const imported = (as < 0 ? part : part.slice(0, as)).join("");
      const name = as < 0 ? imported : part[as + 1];
      if (name === undefined) continue;
      const whole = origin === "" ? imported : `${origin}.${imported}`;
      if (whole === "torch.nn") this.packages.add(name);
      if (whole === "torch" && as >= 0) this.packages.add(`${name}.nn`);
      if (/^torch\.nn(\.modules(\.\w+)?)?$/.test(origin) && isClassName(imported)) this.classes.add(name);
      if (imported.endsWith("LightningModule")) this.classes.add(name);
    }
  }

  private isModuleClass({ head, body }: Statement): boolean {
    const bases = splitAt(insideBrackets(head), ",").filter((base) => base.length > 0 && base[1]?.text !== "=");
    if (bases.some((base) => this.isClass(base))) return true;
    // A base from elsewhere: what has layers' own method is one
    return bases.length > 0 && methodOf(body, "forward") !== null;
  }

  /** Whether this names a class of modules: `nn.Module`, `Net`. */
  private isClass(tokens: readonly Token[]): boolean {
    const path = pathOf(tokens);
    return path !== null && path.length === tokens.length && this.isClassPath(path);
  }

  private isClassPath(path: readonly Token[]): boolean {
    const text = path.map((token) => token.text).join("");
    if (this.classes.has(text)) return true;
    const dot = text.lastIndexOf(".");
    return (
      dot > 0 &&
      isClassName(text.slice(dot + 1)) &&
      (this.packages.has(text.slice(0, dot)) || text.endsWith(".LightningModule"))
    );
  }

  /** What a class's own method takes, or that of a base: of which it is known in `inherited`. */
  private methodTakes(
    { head, body }: Statement,
    name: string,
    inherited: ReadonlyMap<string, readonly string[]>,
  ): readonly string[] {
    const own = methodOf(body, name);
    if (own !== null) return parametersOf(own).slice(1);
    for (const base of splitAt(insideBrackets(head), ",")) {
      const taken = inherited.get(base.map(({ text }) => text).join(""));
      if (taken !== undefined) return taken;
    }
    return [];
  }

  /**
   * Where an expression makes a module (`Net(3)`, `nn.Sequential(...).eval()`, `make_net(width=2)`), the module's inputs as
   * far as they are known; else null.
   */
  private madeInputs(value: readonly Token[]): readonly string[] | null {
    const path = pathOf(value);
    if (path === null || value[path.length]?.text !== "(") return null;
    if (!isChain(afterCall(value, path.length))) return null;
    const text = path.map((token) => token.text).join("");
    return this.factories.get(text) ?? this.inputsOfClass(path);
  }

  /** Null for what names no class of modules. */
  private inputsOfClass(path: readonly Token[]): readonly string[] | null {
    if (!this.isClassPath(path)) return null;
    const text = path.map((token) => token.text).join("");
    return this.inputs.get(text) ?? (/(^|\.)Sequential$/.test(text) ? ["input"] : []);
  }

  /**
   * Where a function returns a module, the module's inputs as far as they are known; else null. It does by its annotation,
   * or because it returns what makes one, at once or by a variable of its own.
   */
  private returnedInputs({ head, body }: Statement): readonly string[] | null {
    const arrow = head.findIndex(({ text }) => text === "->");
    const annotation = arrow < 0 ? [] : head.slice(arrow + 1, -1);
    const annotated = annotation.length > 0 && this.isClass(annotation) ? this.inputsOfClass(annotation) : null;
    const indent = Math.min(...body.map((line) => line.indent));
    const made = new Map<string, readonly string[]>();
    const inputsOf = (value: readonly Token[]): readonly string[] | null => {
      const variable = value.length > 0 && isChain(value.slice(1)) ? made.get(value[0].text) : undefined;
      return variable ?? this.madeInputs(value);
    };
    let inner: number | null = null;
    for (const { tokens, indent: depth } of body) {
      if (inner !== null && depth > inner) continue;
      inner = isFunction(tokens) || tokens[0].text === "class" ? depth : null;
      const value = assignedValue(tokens);
      if (value !== null) {
        const inputs = inputsOf(value);
        if (inputs !== null) made.set(tokens[0].text, inputs);
        else made.delete(tokens[0].text);
      }
      if (tokens[0].text !== "return" || depth < indent) continue;
      const returned = inputsOf(tokens.slice(1));
      if (returned !== null) return returned;
    }
    return annotated;
  }
}

/** Calls of methods that give the module itself: `.to("cpu").eval()`; or nothing. */
function isChain(tokens: readonly Token[]): boolean {
  if (tokens.length === 0) return true;
  const [dot, method, open] = tokens;
  if (dot.text !== "." || open?.text !== "(" || !MODULES_OWN.test(method.text)) return false;
  return isChain(afterCall(tokens, 2));
}

function isClassName(text: string): boolean {
  return /^[A-Z]/.test(text);
}

function isFunction(tokens: readonly Token[]): boolean {
  return tokens[0].text === "def" && tokens[1]?.kind === "name";
}

function nameOf(head: readonly Token[]): Token {
  return head[1];
}

function placeOf({ line, column }: Token): { line: number; column: number } {
  return { line, column };
}

/** The tokens of the first dotted name, `nn`, `.`, `Linear`; null where there is none. */
function pathOf(tokens: readonly Token[]): readonly Token[] | null {
  if (tokens[0]?.kind !== "name") return null;
  let end = 1;
  while (tokens[end]?.text === "." && tokens[end + 1]?.kind === "name") end += 2;
  return tokens.slice(0, end);
}

/** What stands behind `name =` or `name: type =`. */
function assignedValue(tokens: readonly Token[]): readonly Token[] | null {
  if (tokens[0].kind !== "name") return null;
  if (tokens[1]?.text === "=") return tokens.slice(2);
  if (tokens[1]?.text !== ":") return null;
  const equals = tokens.findIndex(({ text }) => text === "=");
  return equals < 0 ? null : tokens.slice(equals + 1);
}

/** Where the bracket at `open` is closed. */
function closingAt(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (tokens[at].kind !== "operator") continue;
    if ("([{".includes(tokens[at].text)) depth++;
    if (")]}".includes(tokens[at].text) && --depth === 0) return at;
  }
  return tokens.length;
}

function afterCall(tokens: readonly Token[], open: number): readonly Token[] {
  return tokens.slice(closingAt(tokens, open) + 1);
}

/** What stands in the first round brackets. */
function insideBrackets(head: readonly Token[]): readonly Token[] {
  const open = head.findIndex(({ text, kind }) => kind === "operator" && text === "(");
  return open < 0 ? [] : head.slice(open + 1, closingAt(head, open));
}

/** The head of a method of a class's own, not of a class or function within. */
function methodOf(body: readonly LogicalLine[], name: string): readonly Token[] | null {
  const indent = body[0]?.indent;
  const heads = body.filter((line) => line.indent === indent).map(({ tokens }) => tokens);
  return heads.find((tokens) => isFunction(tokens) && nameOf(tokens).text === name) ?? null;
}

/** Of a function's head: names, with a `?` behind those that have a default. `*args` and `**kwargs` are left out. */
function parametersOf(head: readonly Token[]): string[] {
  return splitAt(insideBrackets(head), ",").flatMap((tokens) => {
    const [name] = tokens;
    if (name?.kind !== "name") return [];
    return [hasDefault(tokens) ? `${name.text}?` : name.text];
  });
}

function hasDefault(tokens: readonly Token[]): boolean {
  return outermost(tokens).some(({ text, kind }) => kind === "operator" && text === "=");
}

/** Without what stands in brackets. */
function outermost(tokens: readonly Token[]): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at].kind === "operator" && "([{".includes(tokens[at].text)) at = closingAt(tokens, at);
    else found.push(tokens[at]);
  }
  return found;
}

/** Parts between separators that stand in no brackets, and not among a lambda's parameters. */
function splitAt<T extends Token | string>(tokens: readonly T[], separator: string): T[][] {
  const parts: T[][] = [[]];
  let depth = 0;
  let lambdas = 0;
  for (const token of tokens) {
    if (typeof token !== "string" && token.text === "lambda") lambdas++;
    else if (typeof token !== "string" && token.text === ":" && lambdas > 0) lambdas--;
    const text = typeof token === "string" ? token : token.kind === "operator" ? token.text : "";
    if (text !== "" && "([{".includes(text)) depth++;
    if (text !== "" && ")]}".includes(text)) depth--;
    if (depth === 0 && lambdas === 0 && text === separator) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts;
}
