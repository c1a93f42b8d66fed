import { describe, expect, it } from "vitest";
import type { NodeMessage } from "./messages";
import { moduleOf, modulesOf } from "./places";

function node(name: string, metadata: Readonly<Record<string, string>> = {}): NodeMessage {
  const metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  return { name, opType: "Conv", input: [], output: [], attribute: [], metadataProps };
}

describe("the modules that a node is in", () => {
  it("are those of PyTorch's scopes, with their classes", () => {
    const conv = node("node_conv2d", {
      "pkg.torch.onnx.name_scopes": "['', 'layers', 'layers.0', 'layers.0.conv', 'conv2d']",
      "pkg.torch.onnx.class_hierarchy":
        "['net.Net', 'torch.nn.modules.container.Sequential', 'net.Block', 'torch.nn.modules.conv.Conv2d', 'aten.conv2d.default']",
    });
    expect(modulesOf(conv)).toEqual([
      { path: "layers", kind: "Sequential" },
      { path: "layers.0", kind: "Block" },
      { path: "layers.0.conv", kind: "Conv2d" },
    ]);
    expect(moduleOf(conv)).toBe("layers.0.conv");
  });

  it("are those of a namespace", () => {
    expect(
      modulesOf(node("conv", { namespace: ": net.Net/layers: Sequential/layers.0: Conv2d/conv2d: aten" })),
    ).toEqual([
      { path: "layers", kind: "Sequential" },
      { path: "layers.0", kind: "Conv2d" },
    ]);
  });

  it("are those of the node's own name, of which no class is known", () => {
    expect(modulesOf(node("/layers/layers.0/Conv"))).toEqual([
      { path: "layers", kind: "" },
      { path: "layers/layers.0", kind: "" },
    ]);
    expect(modulesOf(node("Conv_3"))).toEqual([]);
    expect(moduleOf(node(""))).toBe("");
  });
});
