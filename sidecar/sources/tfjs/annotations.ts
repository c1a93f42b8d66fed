import type { Node } from "acorn";
import type { ParsedCode } from "./bindings";

/** What TypeScript says of a name: that what it stands for is surely no tensor, or nothing that matters here. */
export type AnnotationAt = (name: Node) => "no tensor" | null;

const PLAIN = String.raw`(?:readonly\s+)?(?:number|string|boolean|undefined|null|true|false|-?[\d.]+|"[^"\n]*"|'[^'\n]*')(?:\s*\[\s*\])*`;
/** Up to the end of the parameter or the declaration's type. */
const PLAIN_TYPE = new RegExp(String.raw`^\s*[?!]?\s*:\s*\|?\s*${PLAIN}(?:\s*\|\s*${PLAIN})*\s*(?=[,)=;\n]|$)`);
const SYMBOLIC_TYPE =
  /^\s*[?!]?\s*:\s*[^,)=;\n]*\b(?:SymbolicTensor|LayersModel|GraphModel|Sequential|Layer|Optimizer|Dataset)\b/;

/** Types are gone from the syntax tree: they are read in the text, behind the name that they belong to. */
export function annotations(text: string, parsed: ParsedCode): AnnotationAt {
  const lines = text.split("\n");
  return (node) => {
    const { type, name } = node as Node & { name?: string };
    if (type !== "Identifier" || name === undefined) return null;
    const { line, column } = parsed.placeOf(node);
    const rest = [(lines[line - 1] ?? "").slice(column - 1), ...lines.slice(line, line + 5)].join("\n");
    if (!rest.startsWith(name)) return null;
    const annotation = rest.slice(name.length);
    return PLAIN_TYPE.test(annotation) || SYMBOLIC_TYPE.test(annotation) ? "no tensor" : null;
  };
}
