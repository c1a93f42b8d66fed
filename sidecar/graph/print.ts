import { type Attributes, type Graph, type Value } from "./graph";
import { formatShape } from "./types";

const shortNames = { float32: "f32", float64: "f64", int32: "i32", bool: "bool" } as const;

function isGraph(attribute: unknown): attribute is Graph {
  return typeof attribute === "object" && attribute !== null && "equations" in attribute;
}

/** The text of a graph, one equation a line, with values named in order of appearance. Stable: tests compare it. */
export function printGraph(graph: Graph, options: { sources?: boolean } = {}, indent = ""): string {
  const names = new Map<Value, string>();
  const lines: string[] = [];

  const name = (value: Value): string => {
    let known = names.get(value);
    if (known === undefined) {
      known = alphabetic(names.size);
      names.set(value, known);
    }
    return known;
  };
  const typed = (value: Value): string => `${name(value)}:${shortNames[value.dtype]}${formatShape(value.shape)}`;

  const printAttributes = (attributes: Attributes): string => {
    const parts = Object.entries(attributes).map(([key, attribute]) => {
      if (isGraph(attribute)) return `${key}={\n${printGraph(attribute, options, `${indent}    `)}\n${indent}  }`;
      // Graphs further inside would be longer than what they are part of
      const shorten = (_key: string, inner: unknown): unknown => (isGraph(inner) ? "graph" : inner);
      return `${key}=${typeof attribute === "number" ? attribute : JSON.stringify(attribute, shorten)}`;
    });
    return parts.length > 0 ? `[${parts.join(" ")}]` : "";
  };

  const roles = [
    ["input", graph.inputs],
    ["parameter", graph.parameters],
    ["buffer", graph.buffers],
  ] as const;
  for (const [role, members] of roles) {
    for (const member of members) lines.push(`${role} ${typed(member.value)} = ${JSON.stringify(member.name)}`);
  }
  for (const constant of graph.constants) {
    const shown = constant.data.length <= 4 ? Array.from(constant.data).join(" ") : `${constant.data.length} elements`;
    lines.push(`constant ${typed(constant.value)} = ${shown}`);
  }
  for (const equation of graph.equations) {
    const inputs = equation.inputs.map(name).join(" ");
    const place =
      options.sources && equation.source
        ? `  # ${equation.source.file}:${equation.source.line}${equation.source.module ? ` (${equation.source.module})` : ""}`
        : "";
    lines.push(
      `${equation.outputs.map(typed).join(", ")} = ${equation.primitive}${printAttributes(equation.attributes)}` +
        `${inputs ? ` ${inputs}` : ""}${place}`,
    );
  }
  lines.push(`return ${graph.outputs.map(name).join(" ")}`);
  return lines.map((line) => `${indent}${line}`).join("\n");
}

/** a, b, ..., z, ba, bb, ... as JAX names its variables. */
function alphabetic(index: number): string {
  let text = "";
  do {
    text = String.fromCharCode(97 + (index % 26)) + text;
    index = Math.floor(index / 26);
  } while (index > 0);
  return text;
}
