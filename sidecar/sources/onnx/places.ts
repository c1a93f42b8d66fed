import type { Source } from "../../graph/graph";
import type { ModuleInfo } from "../model";
import type { NodeMessage } from "./messages";

/** Where a node comes from: its line of Python where PyTorch's exporter has left that, and the module it is in. */

/** Code that is not the user's own: PyTorch's, and what is installed. */
const NOT_OWN =
  /[\\/](site-packages|dist-packages)[\\/]|[\\/]lib[\\/]python\d|^<|[\\/]torch[\\/](nn|_dynamo|fx|export)[\\/]/;

/** Null where the exporter has left no line: an ONNX file has none of its own. */
export function placeOfNode(node: NodeMessage): Source | null {
  const own = userLines(metadataOf(node, "pkg.torch.onnx.stack_trace")).at(-1);
  if (own === undefined) return null;
  const module = moduleOf(node);
  return { ...own, column: 1, ...(module === "" ? {} : { module }) };
}

function metadataOf({ metadataProps }: NodeMessage, key: string): string {
  return metadataProps.find((entry) => entry.key === key)?.value ?? "";
}

/** The lines of a Python traceback, outermost first. */
function userLines(trace: string): { file: string; line: number }[] {
  return Array.from(trace.matchAll(/File "([^"]+)", line (\d+)/g), ([, file, line]) => ({
    file,
    line: Number(line),
  })).filter(({ file, line }) => line > 0 && !NOT_OWN.test(file));
}

/** `layer1.0.conv1`; empty where the file does not say. */
export function moduleOf(node: NodeMessage): string {
  return modulesOf(node).at(-1)?.path ?? "";
}

/** By what PyTorch's exporters leave: scopes with their classes, a namespace, or the node's own name. Outermost first. */
export function modulesOf(node: NodeMessage): ModuleInfo[] {
  // Of both lists the last is the operation's own
  const scopes = listed(metadataOf(node, "pkg.torch.onnx.name_scopes"));
  const classes = listed(metadataOf(node, "pkg.torch.onnx.class_hierarchy"));
  if (scopes.length > 1) return named(scopes.slice(0, -1).map((path, index) => [path, classes[index] ?? ""]));
  // "name: class/name: class/operation: kind"
  const parts = metadataOf(node, "namespace").split("/");
  if (parts.length > 1) {
    return named(
      parts.slice(0, -1).map((part) => {
        const [path, kind = ""] = part.split(":").map((each) => each.trim());
        return [path, kind];
      }),
    );
  }
  const path = (node.name ?? "").split("/").filter((part) => part !== "");
  return path.slice(0, -1).map((_, depth) => ({ path: path.slice(0, depth + 1).join("/"), kind: "" }));
}

function named(modules: readonly (readonly [path: string, kind: string])[]): ModuleInfo[] {
  return modules
    .filter(([path], index) => path !== "" && path !== modules[index - 1]?.[0])
    .map(([path, kind]) => ({ path, kind: kind.slice(kind.lastIndexOf(".") + 1) }));
}

/** A list of texts as Python prints it. */
function listed(text: string): string[] {
  return Array.from(text.matchAll(/'([^']*)'|"([^"]*)"/g), ([, single, double]) => single ?? double ?? "");
}
