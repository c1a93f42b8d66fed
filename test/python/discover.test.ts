import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { discoverInPython, wholesOf } from "../../sidecar/sources/python/discover";
import { logicalLines } from "../../sidecar/sources/python/tokens";

/** Which models a Python file has, from its text alone. */

const found = (text: string): string[] =>
  discoverInPython(text).map(({ name, kind, takes, line, column, isPart }) => {
    return `${kind} ${name}(${takes.join(", ")}) ${line}:${column}${isPart ? " part" : ""}`;
  });

const inputs = (text: string): string[] =>
  discoverInPython(text).map((model) => `${model.name}(${model.inputs.join(", ")})`);

const texts = (text: string): string[] =>
  logicalLines(text).map(({ indent, tokens }) => `${indent} ${tokens.map((token) => token.text).join(" ")}`);

describe("models of a Python file", () => {
  it("are its classes, factories and instances, with their lines and parameters", () => {
    expect(found(readFileSync("test/python/nets/nets.py", "utf8"))).toEqual([
      "class Net(width?, classes?, bias?) 10:7 part",
      "class Sized() 26:7",
      "class Branching() 38:7",
      "class Failing() 49:7",
      "factory make_net(width) 58:5",
      "instance made() 62:1",
    ]);
  });

  it("are found by whichever name they are imported", () => {
    expect(
      found(`
import torch.nn as layers
from torch.nn import (
    Module as Base,
    Sequential,
)
import pytorch_lightning as pl
class A(layers.Module): pass
class B(Base): pass
class C(pl.LightningModule): pass
class D(A, metaclass=Meta): pass
class E(Mixin, D): ...
net = Sequential(A(), B())
class NotOne(dict): pass
class Named(NamedTuple):
    nn: int
`),
    ).toEqual([
      "class A() 8:7 part",
      "class B() 9:7",
      "class C() 10:7",
      "class D() 11:7 part",
      "class E() 12:7",
      "instance net() 13:1",
    ]);
  });

  it("may be of a base in another file, by their forward", () => {
    const text = "from base import Base\nclass Net(Base):\n  depth = 3\n  def forward(self, x):\n    return x\n";
    expect(found(text)).toEqual(["class Net() 2:7"]);
    expect(found(text.replace("(Base)", ""))).toEqual([]);
  });

  it("take what their constructors take, also inherited ones", () => {
    expect(
      found(`
from torch import nn
class Net(nn.Module):
    """def __init__(self, wrong): ..."""
    class Config:
        def __init__(self, inner): ...
    def __init__(
        self,
        sizes: "tuple[int, ...]" = (3, 4),  # ) a comment
        /, width: Dict[str, int] = {"a": 1, "b": 2}, *rest, activation=lambda x, y: x == y, depth, **more,
    ) -> None:
        super().__init__()
class Deeper(Net):
    pass
`),
    ).toEqual([
      "class Net(sizes?, width?, activation?, depth) 3:7 part",
      "class Deeper(sizes?, width?, activation?, depth) 13:7",
    ]);
  });

  it("are returned by factories", () => {
    expect(
      found(`
from torch import nn
def direct(n): return nn.Sequential(nn.Linear(n, n))
def annotated(n) -> nn.Module:
    return build(n)
def by_variable(n=3):
    net = nn.Linear(n, n)
    net.bias.data.zero_()
    return net.eval()
def data(n):
    net = nn.Linear(n, n)
    def inner():
        return net
    net = net(torch.zeros(n))
    return net
def called(x):
    return nn.Linear(3, 3)(x)
async def other():
    return nn.Linear(3, 3)
loss = nn.Linear(3, 3).weight
one = direct(3).eval().to("cpu")
two: nn.Module = by_variable()
three, four = direct(1), direct(2)
`),
    ).toEqual([
      "factory direct(n) 3:5",
      "factory annotated(n) 4:5",
      "factory by_variable(n?) 6:5",
      "instance one() 21:1",
      "instance two() 22:1",
    ]);
  });

  it("have the inputs of their forward, as far as the text tells", () => {
    expect(
      inputs(`
from torch import nn
class Net(nn.Module):
    def forward(self, x, *rest, mask=None): ...
class Deeper(Net): ...
class Open(nn.Module): ...
def make(n):
    net = Deeper(n)
    return net.eval()
def annotated() -> Net:
    return load()
def foreign() -> nn.Module:
    return load()
one = make(3).to("cpu")
two = nn.Sequential(Net())
three = nn.Linear(2, 2)
`),
    ).toEqual([
      "Net(x, mask?)",
      "Deeper(x, mask?)",
      "Open()",
      "make(x, mask?)",
      "annotated(x, mask?)",
      "foreign()",
      "one(x, mask?)",
      "two(input)",
      "three()",
    ]);
  });

  it("that are meant where none is named are made already, or no part of another", () => {
    const wholes = (text: string): string[] => wholesOf(discoverInPython(text)).map(({ name }) => name);
    const classes = "from torch import nn\nclass Block(nn.Module): ...\nclass Net(nn.Module):\n  part = Block\n";
    expect(wholes(classes)).toEqual(["Net"]);
    expect(wholes(`${classes}net = Net()`)).toEqual(["net"]);
  });

  it("are in no strings, comments and nested code", () => {
    expect(
      found(`
"""
import torch
class Net(nn.Module): pass
"""
# class Other(nn.Module): pass
text = f"class {'''
'''} "; rest = r'\\'
if __name__ == "__main__":
    net = nn.Linear(2, 2)
def run():
    class Inner(nn.Module): pass
`),
    ).toEqual([]);
  });

  it("are the last of those with one name", () => {
    expect(found("import torch\nclass A(torch.nn.Module): pass\nclass A(torch.nn.Module):\n\tpass")).toEqual([
      "class A() 3:7",
    ]);
  });
});

describe("lines of tokens", () => {
  it("know strings, comments, brackets and continued lines", () => {
    expect(texts("a = 'x#y' # c\nb = (1,\n  2) ; c\\\n = 3\n")).toEqual(["0 a = 'x#y'", "0 b = ( 1 , 2 )", "0 c = 3"]);
    expect(texts('x = """a\n"b""" + rb\'\\\'\'\r\n\ty')).toEqual(['0 x = """a\n"b""" + rb\'\\\'\'', "8 y"]);
    expect(texts("\ufeffif a:\n  \tb\n    c")).toEqual(["0 if a :", "8 b", "4 c"]);
  });

  it("know formatted strings, with the same quotes within", () => {
    expect(texts(`a = f"{x["y"]}" + f'{{' + f"{z:>{w}}"\nb`)).toEqual([
      `0 a = f"{x["y"]}" + f'{{' + f"{z:>{w}}"`,
      "0 b",
    ]);
    expect(texts(`a = f"{x"\nb = f"{'k'}"`)).toEqual([`0 a = f"{x"`, `0 b = f"{'k'}"`]);
  });

  it("end with the file, whatever is open", () => {
    expect(texts("a = [1, (2\nb = '''c\n")).toEqual(["0 a = [ 1 , ( 2 b = '''c\n"]);
    expect(texts("a = 'b\nc")).toEqual(["0 a = 'b", "0 c"]);
    expect(texts("")).toEqual([]);
    expect(texts(")]}\nx")).toEqual(["0 ) ] }", "0 x"]);
  });

  it("have the places of their tokens", () => {
    const [, , last] = logicalLines('"""\n"""; é = 1\n  x');
    expect(last.tokens[0]).toMatchObject({ line: 3, column: 3 });
    expect(logicalLines('"""\n"""; é = 1')[1].tokens[0]).toEqual({ kind: "name", text: "é", line: 2, column: 6 });
  });

  it("take time in proportion to the text", () => {
    const start = performance.now();
    for (const part of ['f"{', "(", "'", '"""', "\\\n", "{", "x = (1,\n", "f'{a[\"b\"]}' "])
      logicalLines(part.repeat(50_000));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
