import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { parse, type Node, type Pattern, type Program } from "acorn";
import { stop, transform, type Loader } from "esbuild";
import { messageOf, ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import { syntaxError } from "./syntax-error";

/** The names that a code file binds at its top level, exported or not. */
export interface Binding {
  readonly name: string;
  readonly isExported: boolean;
  readonly source: Source;
}

const loaders: Record<string, Loader> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "jsx",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
};

export function isCodeFile(file: string): boolean {
  return extname(file).toLowerCase() in loaders;
}

export function loaderOf(file: string): Loader {
  return loaders[extname(file).toLowerCase()] ?? "js";
}

export function readCode(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new ModelError("the file cannot be read; check the path", { file, line: 1, column: 1 });
  }
}

/** A code file as a syntax tree of plain JavaScript. */
export interface ParsedCode {
  readonly program: Program;
  /** Where a node is in the code as it was written. */
  placeOf(node: Node): Source;
}

/**
 * Types are taken out first; positions come back through that step's source map. Throws a ModelError where the syntax is
 * wrong; null where only esbuild understands it.
 */
export async function parseCode(file: string, code: string): Promise<ParsedCode | null> {
  let transformed;
  try {
    transformed = await transform(code, {
      loader: loaderOf(file),
      sourcefile: file,
      sourcemap: "external",
      target: "esnext",
      logLevel: "silent",
      // Which compiler options the user has does not change what is bound. Imports stay, also those of types alone.
      tsconfigRaw: { compilerOptions: { experimentalDecorators: true, verbatimModuleSyntax: true } },
    });
  } catch (error) {
    throw syntaxError(error, file) ?? (await nestedTooDeeply(error, file)) ?? error;
  }
  const program = parseProgram(transformed.code);
  if (!program) return null;
  const map = new TraceMap(transformed.map, undefined);
  return {
    program,
    placeOf(node) {
      const { line, column } = originalPositionFor(map, node.loc?.start ?? { line: 1, column: 0 });
      return { file, line: line ?? 1, column: (column ?? 0) + 1 };
    },
  };
}

/** Hundreds of thousands of levels take all of the stack that esbuild has: its process ends, and must be started anew. */
async function nestedTooDeeply(error: unknown, file: string): Promise<ModelError | null> {
  if (!/^The service (?:was stopped|is no longer running)/.test(messageOf(error))) return null;
  await stop();
  return new ModelError("the code is nested too deeply to be parsed: make it flatter", { file, line: 1, column: 1 });
}

export async function topLevelBindings(file: string, code: string): Promise<Binding[]> {
  const parsed = await parseCode(file, code);
  if (!parsed) return [];
  return boundIn(parsed.program).map(({ name, node, isExported }) => ({
    name,
    isExported,
    source: parsed.placeOf(node),
  }));
}

/** What a program binds at its top level, each name once. */
export function boundIn(program: Program): Bound[] {
  const bound = new Map<string, Bound>();
  for (const statement of program.body) {
    for (const one of boundBy(statement)) bound.set(one.name, one);
  }
  for (const name of program.body.flatMap(exportedBy)) {
    const one = bound.get(name);
    if (one) bound.set(name, { ...one, isExported: true });
  }
  return [...bound.values()];
}

function parseProgram(code: string): Program | null {
  for (const sourceType of ["module", "script"] as const) {
    try {
      return parse(code, {
        ecmaVersion: "latest",
        sourceType,
        locations: true,
        allowReturnOutsideFunction: true,
        allowAwaitOutsideFunction: true,
        allowHashBang: true,
      });
    } catch {
      // An old script that is no module: its syntax is looser.
    }
  }
  return null;
}

export interface Bound {
  readonly name: string;
  readonly node: Node;
  readonly isExported: boolean;
  /** What the name is bound to, where that is written whole: null where it is taken out of something. */
  readonly value: Node | null;
}

function boundBy(statement: Program["body"][number], isExported = false): Bound[] {
  switch (statement.type) {
    case "VariableDeclaration":
      return statement.declarations.flatMap(({ id, init }) =>
        namesIn(id).map(({ name, node }) => ({ name, node, isExported, value: node === id ? (init ?? null) : null })),
      );
    case "FunctionDeclaration":
    case "ClassDeclaration":
      return [{ name: statement.id.name, node: statement, isExported, value: statement }];
    case "ExportNamedDeclaration":
      return statement.declaration ? boundBy(statement.declaration, true) : [];
    case "ExportDefaultDeclaration": {
      const { declaration } = statement;
      const isNamed = declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration";
      if (!isNamed || !declaration.id) return [];
      return [{ name: declaration.id.name, node: declaration, isExported: true, value: declaration }];
    }
    default:
      return [];
  }
}

/** `export { a, b as c }` and `export default a`. */
function exportedBy(statement: Program["body"][number]): string[] {
  if (statement.type === "ExportDefaultDeclaration") {
    return statement.declaration.type === "Identifier" ? [statement.declaration.name] : [];
  }
  if (statement.type !== "ExportNamedDeclaration" || statement.source) return [];
  return statement.specifiers.flatMap(({ local }) => (local.type === "Identifier" ? [local.name] : []));
}

function namesIn(pattern: Pattern): { name: string; node: Node }[] {
  switch (pattern.type) {
    case "Identifier":
      return [{ name: pattern.name, node: pattern }];
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element ? namesIn(element) : []));
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        namesIn(property.type === "RestElement" ? property.argument : property.value),
      );
    case "AssignmentPattern":
      return namesIn(pattern.left);
    case "RestElement":
      return namesIn(pattern.argument);
    default:
      return [];
  }
}

/** The names of a function's parameters; one that is taken apart has the name of its place: `input0`. */
export function parameterNames(callable: (...args: never[]) => unknown): string[] {
  const text = callable.toString();
  for (const source of [`(${text})`, `({${text}})`]) {
    try {
      const program = parse(source, { ecmaVersion: "latest" });
      const names = parametersIn(program);
      if (names) return names;
    } catch {
      // A method's text is no expression of its own.
    }
  }
  return Array.from({ length: callable.length }, (_, index) => `input${index}`);
}

function parametersIn(program: Program): string[] | null {
  const [statement] = program.body;
  if (statement?.type !== "ExpressionStatement") return null;
  let node: unknown = statement.expression;
  if (statement.expression.type === "ObjectExpression") {
    const [property] = statement.expression.properties;
    node = property?.type === "Property" ? property.value : null;
  }
  const { params } = (node ?? {}) as { params?: Pattern[] };
  return params?.map(parameterName) ?? null;
}

export function parameterName(pattern: Pattern, index: number): string {
  const inner = pattern.type === "AssignmentPattern" ? pattern.left : pattern;
  return inner.type === "Identifier" ? inner.name : `input${index}`;
}
