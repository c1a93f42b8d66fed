import { logicalLines, type LogicalLine, type Token } from "./tokens";

/** Which models a Python file has, from its text alone: nothing of it is run. */

export interface PythonModel {
  /** As #EXPORT names it. */
  readonly name: string;
  /** A subclass of `nn.Module`, a module that is made when the file is imported, or a function that returns one. */
  readonly kind: "class" | "instance" | "factory";
  /** Parameters of the constructor or function; a `?` follows the name of one that may be left out. */
  readonly takes: readonly string[];
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
  private readonly factories = new Set<string>();
  private readonly parameters = new Map<string, readonly string[]>();

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
        this.parameters.set(head[1].text, this.constructorOf(statement));
      } else if (isFunction(head) && this.returnsModule(statement)) {
        this.factories.add(nameOf(head).text);
      }
    }
  }

  modelOf(statement: Statement): Omit<PythonModel, "isPart"> | null {
    const { head } = statement;
    if (head[0].text === "class") {
      const name = head[1];
      if (name?.kind !== "name" || !this.classes.has(name.text)) return null;
      return { name: name.text, kind: "class", takes: this.parameters.get(name.text) ?? [], ...placeOf(name) };
    }
    if (isFunction(head)) {
      const name = nameOf(head);
      if (!this.factories.has(name.text)) return null;
      return { name: name.text, kind: "factory", takes: parametersOf(head), ...placeOf(name) };
    }
    const value = assignedValue(head);
    if (value === null || !this.makesModule(value)) return null;
    return { name: head[0].text, kind: "instance", takes: [], ...placeOf(head[0]) };
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

  private constructorOf({ head, body }: Statement): readonly string[] {
    const own = methodOf(body, "__init__");
    if (own !== null) return parametersOf(own).slice(1);
    for (const base of splitAt(insideBrackets(head), ",")) {
      const inherited = this.parameters.get(base.map(({ text }) => text).join(""));
      if (inherited !== undefined) return inherited;
    }
    return [];
  }

  /** Whether an expression makes a module: `Net(3)`, `nn.Sequential(...).eval()`, `make_net(width=2)`. */
  private makesModule(value: readonly Token[]): boolean {
    const path = pathOf(value);
    if (path === null || value[path.length]?.text !== "(") return false;
    const text = path.map((token) => token.text).join("");
    if (!this.isClassPath(path) && !this.factories.has(text)) return false;
    return isChain(afterCall(value, path.length));
  }

  /** By its annotation, or because it returns what makes one, at once or by a variable of its own. */
  private returnsModule({ head, body }: Statement): boolean {
    const arrow = head.findIndex(({ text }) => text === "->");
    if (arrow >= 0) {
      const annotation = head.slice(arrow + 1, -1);
      if (annotation.length > 0 && this.isClass(annotation)) return true;
    }
    const indent = Math.min(...body.map((line) => line.indent));
    const made = new Set<string>();
    const isMade = ([first, ...rest]: readonly Token[]): boolean =>
      first !== undefined && made.has(first.text) && isChain(rest);
    let inner: number | null = null;
    for (const { tokens, indent: depth } of body) {
      if (inner !== null && depth > inner) continue;
      inner = isFunction(tokens) || tokens[0].text === "class" ? depth : null;
      const value = assignedValue(tokens);
      if (value !== null) {
        if (this.makesModule(value) || isMade(value)) made.add(tokens[0].text);
        else made.delete(tokens[0].text);
      }
      if (tokens[0].text !== "return" || depth < indent) continue;
      const returned = tokens.slice(1);
      if (this.makesModule(returned) || isMade(returned)) return true;
    }
    return false;
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
