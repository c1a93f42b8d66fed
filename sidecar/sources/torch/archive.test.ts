import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { ZipWriter } from "../../formats/zip";
import { ModelError } from "../../graph/errors";
import { loadTorchModel } from ".";

/** Archives that are damaged, or made to do damage, are refused at once, with a sentence. */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-archive-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** In milliseconds. */
const AT_ONCE = 2000;
/** Bytes that a refused archive may have taken. */
const LITTLE = 256 << 20;

type Json = Record<string, unknown>;

const sizes = (...extents: number[]): Json[] => extents.map((extent) => ({ as_int: extent }));
const strided = (...extents: number[]): Json[] =>
  sizes(...extents.map((_, axis) => extents.slice(axis + 1).reduce((product, extent) => product * extent, 1)));
const meta = (...extents: number[]): Json => ({
  dtype: 7,
  sizes: sizes(...extents),
  strides: strided(...extents),
  storage_offset: { as_int: 0 },
  requires_grad: true,
});
const tensor = (name: string): Json => ({ as_tensor: { name } });
const input = (name: string, arg: Json): Json => ({ name, arg });

/** `torch.relu(x @ weight)` for x of shape [1, 3]. */
function relued(): { model: Json; config: Json; graph: Json; nodes: Json[] } {
  const nodes: Json[] = [
    {
      target: "torch.ops.aten.matmul.default",
      inputs: [input("self", tensor("x")), input("other", tensor("p_weight"))],
      outputs: [tensor("matmul")],
      metadata: { stack_trace: 'File "net.py", line 3, in forward\n    y = x @ self.weight' },
    },
    {
      target: "torch.ops.aten.relu.default",
      inputs: [input("self", tensor("matmul"))],
      outputs: [tensor("relu")],
      metadata: {},
    },
  ];
  const graph: Json = {
    inputs: [tensor("p_weight"), tensor("x")],
    outputs: [tensor("relu")],
    nodes,
    tensor_values: { p_weight: meta(3, 2), x: meta(1, 3), matmul: meta(1, 2), relu: meta(1, 2) },
    sym_int_values: {},
    sym_bool_values: {},
    sym_float_values: {},
  };
  const model: Json = {
    graph_module: {
      graph,
      signature: {
        input_specs: [
          { parameter: { arg: { name: "p_weight" }, parameter_name: "weight" } },
          { user_input: { arg: tensor("x") } },
        ],
        output_specs: [{ user_output: { arg: tensor("relu") } }],
      },
      module_call_graph: [],
    },
    range_constraints: {},
    schema_version: { major: 8, minor: 20 },
    torch_version: "2.13.0+cpu",
  };
  const config: Json = {
    weight: { path_name: "weight_0", is_param: true, use_pickle: false, tensor_meta: meta(3, 2) },
  };
  return { model, config, graph, nodes };
}

type Members = Record<string, Uint8Array | string>;

function membersOf({ model, config }: Pick<ReturnType<typeof relued>, "model" | "config">): Members {
  return {
    "net/models/model.json": JSON.stringify(model),
    "net/data/weights/model_weights_config.json": JSON.stringify({ config }),
    "net/data/constants/model_constants_config.json": JSON.stringify({ config: {} }),
    "net/data/weights/weight_0": new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer),
    "net/byteorder": "little",
  };
}

let written = 0;

function write(members: Members): string {
  const file = join(folder, `${written++}.pt2`);
  const descriptor = openSync(file, "w");
  const writer = new ZipWriter(descriptor);
  for (const [name, content] of Object.entries(members)) writer.add(name, [Buffer.from(content)]);
  writer.finish();
  closeSync(descriptor);
  return file;
}

const load = (file: string) => loadTorchModel({ file, export: null, inputs: [], batch: 1 });

/** Refused at once, in little memory, with a ModelError that says this. */
async function expectRefused(file: string, message: RegExp | string): Promise<ModelError> {
  const [start, before] = [performance.now(), process.memoryUsage().rss];
  const error: unknown = await load(file).catch((thrown: unknown) => thrown);
  expect(performance.now() - start).toBeLessThan(AT_ONCE);
  expect(process.memoryUsage().rss - before).toBeLessThan(LITTLE);
  expect(error).toBeInstanceOf(ModelError);
  expect((error as ModelError).message).toMatch(message);
  return error as ModelError;
}

/** The archive with a change to its JSON. */
function changed(change: (parts: ReturnType<typeof relued>) => void): string {
  const parts = relued();
  change(parts);
  return write(membersOf(parts));
}

const valuesOf = (graph: Json): Record<string, Json> => graph.tensor_values as Record<string, Json>;

describe("archives", () => {
  it("that are whole are read", async () => {
    const model = await load(changed(() => undefined));
    expect(model.format).toBe("torch-export");
    expect(model.framework).toBe("PyTorch 2.13.0");
    expect(model.inputs).toEqual([{ name: "x", shape: [3], dtype: "float32" }]);
    expect([...model.weights.weight.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(model.graph.equations[1].source).toEqual({ file: "net.py", line: 3, column: 1 });
  });

  it("that are cut off anywhere are refused", async () => {
    const whole = readFileSync(changed(() => undefined));
    for (let kept = 0; kept < whole.length; kept += Math.ceil(whole.length / 40)) {
      const file = join(folder, `cut-${kept}.pt2`);
      writeFileSync(file, whole.subarray(0, kept));
      await expectRefused(file, /truncated or damaged|holds no exported program/);
    }
  });

  it("with any byte changed are read or refused", async () => {
    const whole = readFileSync(changed(() => undefined));
    const file = join(folder, "changed.pt2");
    for (let at = 0; at < whole.length; at += 7) {
      const other = Buffer.from(whole);
      other[at] ^= 0xff;
      writeFileSync(file, other);
      const error: unknown = await load(file).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      if (error !== null) expect(error, `byte ${at}`).toBeInstanceOf(ModelError);
    }
  });

  it.each([
    ["no model", (m: Members) => delete m["net/models/model.json"], "holds no exported program"],
    ["two models", (m: Members) => (m["net/models/other.json"] = "{}"), "holds 2 models"],
    [
      "no list of weights",
      (m: Members) => delete m["net/data/weights/model_weights_config.json"],
      "has no data/weights",
    ],
    [
      "a weight without its file",
      (m: Members) => delete m["net/data/weights/weight_0"],
      "has no data/weights/weight_0",
    ],
    ["a weight of too few bytes", (m: Members) => (m["net/data/weights/weight_0"] = "short"), "does not fit its file"],
    ["the other byte order", (m: Members) => (m["net/byteorder"] = "big"), "not in little-endian order"],
    ["what is no JSON", (m: Members) => (m["net/models/model.json"] = "{"), "it is no JSON"],
    ["nested JSON", (m: Members) => (m["net/models/model.json"] = "[".repeat(1 << 20)), /no JSON|damaged|no object/],
    ["other JSON", (m: Members) => (m["net/models/model.json"] = "[]"), "the program is no object"],
  ])("with %s are refused", async (_what, change, message) => {
    const members = membersOf(relued());
    change(members);
    await expectRefused(write(members), message);
  });

  it("of other kinds are told apart", async () => {
    // As PyTorch 2.1 writes it
    const first = { "serialized_exported_program.json": JSON.stringify({ schema_version: 2 }), version: "2" };
    await expectRefused(write(first), /saved by a PyTorch before 2\.4 .*export .* again .* PyTorch 2\.6 or later/);
    await expectRefused(write({ "net/data/aotinductor/model/net.so": "" }), "compiled package without its graph");
    await expectRefused(write({ "net/version": "3" }), "holds no exported program");
  });

  it("that are compressed to say more than they hold are refused", async () => {
    // A member that says it has 60 MB of zeros in 60 kB
    const bomb = deflateRawSync(Buffer.alloc(60 << 20));
    const file = write({ ...membersOf(relued()), "net/models/model.json": bomb });
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length - 46; at++) {
      if (
        bytes.readUInt32LE(at) !== 0x02014b50 ||
        !bytes.toString("latin1", at + 46, at + 67).startsWith("net/models/model.json")
      )
        continue;
      bytes.writeUInt16LE(8, at + 10);
      bytes.writeUInt32LE(60 << 20, at + 24);
    }
    writeFileSync(file, bytes);
    await expectRefused(file, "larger than the whole archive");
  });

  it.each<[string, (parts: ReturnType<typeof relued>) => void, RegExp | string]>([
    [
      "paths that leave the archive",
      ({ config }) => ((config.weight as Json).path_name = "../../secret"),
      "is said to be in",
    ],
    [
      "weights of absurd sizes",
      ({ config }) => ((config.weight as Json).tensor_meta = meta(1e9, 1e9)),
      "does not fit its file",
    ],
    [
      "weights of negative sizes",
      ({ config }) => ((config.weight as Json).tensor_meta = meta(-3, 2)),
      "a size of the weight",
    ],
    [
      "weights that repeat elements without end",
      ({ config }) => ((config.weight as Json).tensor_meta = { ...meta(1e9, 1e9), strides: sizes(0, 0) }),
      "does not fit its file",
    ],
    [
      "weights that begin behind their file",
      ({ config }) => ((config.weight as Json).tensor_meta = { ...meta(3, 2), storage_offset: { as_int: 1e12 } }),
      "does not fit its file",
    ],
    [
      "another shape than the weight's",
      ({ graph }) => (valuesOf(graph).p_weight = meta(2, 3)),
      "where the program says [2,3]",
    ],
    ["pickled weights", ({ config }) => ((config.weight as Json).use_pickle = true), "is no plain array of numbers"],
    ["a later format", ({ model }) => (model.schema_version = { major: 9, minor: 1 }), "its schema version is 9"],
    [
      "arrays that nothing makes",
      ({ nodes }) => ((nodes[0].inputs as Json[])[0] = input("self", tensor("nothing"))),
      "used before anything makes it",
    ],
    [
      "nodes in a circle",
      ({ nodes }) => ((nodes[0].inputs as Json[])[0] = input("self", tensor("relu"))),
      "used before anything makes it",
    ],
    [
      "results of other shapes",
      ({ graph }) => (valuesOf(graph).relu = meta(5, 7)),
      "gives [1,2] where the program says [5,7]",
    ],
    ["inputs of absurd sizes", ({ graph }) => (valuesOf(graph).x = meta(1, 1e300)), /cannot be read/],
    ["arguments that are missing", ({ nodes }) => (nodes[0].inputs = []), "has no array self"],
    [
      "arguments of the wrong kind",
      ({ nodes }) => (nodes[0].inputs = [input("self", { as_int: 3 })]),
      "has no array self",
    ],
    [
      "arguments of two kinds",
      ({ nodes }) => (nodes[0].inputs = [input("self", { as_int: 3, as_bool: true })]),
      "has 2 kinds",
    ],
    [
      "operators of nobody",
      ({ nodes }) => (nodes[1].target = "torch.ops.aten.constructor.default"),
      "is not supported",
    ],
    [
      "operators of others",
      ({ nodes }) => (nodes[1].target = "torch.ops.mine.relu.default"),
      "mine.relu.default is not supported",
    ],
    ["nodes that are none", ({ graph }) => (graph.nodes = [1]), "a node is no object"],
    [
      "no outputs",
      ({ model }) => (((model.graph_module as Json).signature as Json).output_specs = []),
      "returns no arrays",
    ],
    [
      "sizes that cannot be read",
      ({ graph }) => (valuesOf(graph).x = { ...meta(1, 3), sizes: [{ as_expr: { expr_str: "Mul(" } }] }),
      "cannot be read",
    ],
    [
      "sizes nested without end",
      ({ graph }) => (valuesOf(graph).x = { ...meta(1, 3), sizes: [{ as_expr: { expr_str: "Abs(".repeat(4000) } }] }),
      "unusual depth",
    ],
  ])("with %s are refused", async (_what, change, message) => {
    await expectRefused(
      changed(change),
      typeof message === "string" ? new RegExp(message.replace(/[.[\]()]/g, "\\$&")) : message,
    );
  });

  it.each<[string, Json]>([
    [
      "a pooling to absurd sizes",
      call("adaptive_avg_pool1d", { self: tensor("x"), output_size: { as_ints: [99_999_999] } }),
    ],
    ["a resize to absurd sizes", call("upsample_nearest1d", { self: tensor("x"), output_size: { as_ints: [1e15] } })],
    ["absurdly many parts", call("unbind", { self: tensor("full") })],
    ["absurdly many steps", call("chunk", { self: tensor("full"), chunks: { as_int: 1e12 } })],
    [
      "an absurd window",
      call("unfold", { self: tensor("full"), dimension: { as_int: 0 }, size: { as_int: 1e9 }, step: { as_int: 1 } }),
    ],
  ])("with %s are refused", async (_what, node) => {
    const filled = call("full", { size: { as_ints: [1e12] }, fill_value: { as_int: 1 } }, "full");
    const file = changed(({ nodes, graph }) => {
      nodes.push(filled, node);
      graph.outputs = [tensor("result")];
    });
    await expectRefused(file, /too much|damaged|cannot be computed/);
  });

  it("with views of views without end are refused", async () => {
    const file = changed(({ nodes }) => {
      for (let depth = 0; depth < 20_000; depth++) {
        nodes.push(call("alias", { self: tensor(depth === 0 ? "x" : `alias_${depth - 1}`) }, `alias_${depth}`));
      }
    });
    await expectRefused(file, "nested too deep");
  });
});

describe("archives with all weights in one file", () => {
  const unsigned = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return bytes;
  };
  const textOf = (value: string): Buffer =>
    Buffer.concat([Buffer.from("X"), unsigned(value.length), Buffer.from(value)]);
  const numberOf = (value: number): Buffer => Buffer.concat([Buffer.from("J"), unsigned(value)]);
  const tupleOf = (...members: Buffer[]): Buffer => Buffer.concat([Buffer.from("("), ...members, Buffer.from("t")]);
  const named = (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`);
  const called = (callee: Buffer, ...args: Buffer[]): Buffer => {
    return Buffer.concat([callee, tupleOf(...args), Buffer.from("R")]);
  };
  const NO = Buffer.from([0x89]);
  const storage = (key: string, type = "FloatStorage"): Buffer => {
    const members = [textOf("storage"), named("torch", type), textOf(key), textOf("cpu"), numberOf(6)];
    return Buffer.concat([tupleOf(...members), Buffer.from("Q")]);
  };
  const hooks = called(named("collections", "OrderedDict"));
  const array = (stored: Buffer, shape: number[], strides: number[], offset = 0): Buffer => {
    const layout = [shape, strides].map((sizes) => tupleOf(...sizes.map(numberOf)));
    return called(named("torch._utils", "_rebuild_tensor_v2"), stored, numberOf(offset), ...layout, NO, hooks);
  };
  const parameter = (of: Buffer): Buffer => {
    return called(named("torch._utils", "_rebuild_parameter"), of, Buffer.from([0x88]), hooks);
  };
  /** Of a dict with one member. */
  const pickleOf = (value: Buffer): Buffer => {
    return Buffer.concat([Buffer.from([0x80, 2]), Buffer.from("}"), textOf("weight"), value, Buffer.from("s.")]);
  };
  const weight = (): Buffer => pickleOf(parameter(array(storage("0"), [3, 2], [2, 1])));

  function saved(members: Members): Buffer {
    return readFileSync(
      write(Object.fromEntries(Object.entries(members).map(([path, bytes]) => [`archive/${path}`, bytes]))),
    );
  }
  const savedOf = (pickle: Buffer): Members => ({
    "data.pkl": pickle,
    byteorder: "little",
    "data/0": new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer),
  });
  function archive(weights: Uint8Array, program = JSON.stringify(relued().model)): string {
    return write({
      "serialized_exported_program.json": program,
      "serialized_state_dict.pt": weights,
      "serialized_constants.pt": "",
    });
  }
  const archiveOf = (pickle: Buffer): string => archive(saved(savedOf(pickle)));

  it("that are whole are read", async () => {
    const model = await load(archiveOf(weight()));
    expect([...model.weights.weight.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(model.parameters).toMatchObject([{ name: "weight", trainable: true }]);
  });

  it("are read with numbers that JSON has not", async () => {
    const parts = relued();
    const limits = { self: tensor("relu"), min: { as_float: "-Infinity" }, max: { as_float: "Infinity" } };
    parts.nodes.push({
      ...call("clamp", limits),
      metadata: { stack_trace: 'File "NaN.py", line 5, in forward\n    NaN' },
    });
    parts.graph.outputs = [tensor("result")];
    ((parts.model.graph_module as Json).signature as Json).output_specs = [{ user_output: { arg: tensor("result") } }];
    const bare = JSON.stringify(parts.model).replace(/"(-?Infinity)"/g, "$1");
    expect(bare).toContain('{"as_float":-Infinity}');
    const model = await load(archive(saved(savedOf(weight())), bare));
    expect(model.graph.equations.map(({ source }) => source?.file)).toContain("NaN.py");
    await expectRefused(archive(saved(savedOf(weight())), bare.slice(0, -9)), "it is no JSON");
    await expectRefused(archive(saved(savedOf(weight())), '"' + '\\"'.repeat(1 << 20)), "it is no JSON");
  });

  it("are read in version 5 of the schema, that of PyTorch 2.4", async () => {
    const { model, nodes } = relued();
    (nodes[1].inputs as Json[]).push(input("other", { as_none: [] }));
    const { torch_version: _version, ...rest } = model;
    const symbols = { s0: { min_val: 2, max_val: Number.MAX_SAFE_INTEGER - 1 } };
    const older = { ...rest, schema_version: { major: 5, minor: 3 }, dialect: "ATEN", range_constraints: symbols };
    const read = await load(archive(saved(savedOf(weight())), JSON.stringify(older)));
    expect(read.framework).toBe("PyTorch");
    expect(read.outputs).toEqual([{ name: "output", shape: [2], dtype: "float32" }]);
  });

  it("that are cut off or changed anywhere are read or refused", async () => {
    const whole = readFileSync(archiveOf(weight()));
    const file = join(folder, "older.pt2");
    for (let at = 0; at < whole.length; at += 5) {
      for (const isCut of [false, true]) {
        const other = Buffer.from(isCut ? whole.subarray(0, at) : whole);
        if (!isCut) other[at] ^= 0xff;
        writeFileSync(file, other);
        const error: unknown = await load(file).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        if (error !== null) expect(error, `byte ${at}`).toBeInstanceOf(ModelError);
      }
    }
  });

  it.each<[string, () => Buffer, string]>([
    ["calls of functions", () => pickleOf(called(named("os", "system"), textOf("true"))), "it holds a os.system"],
    [
      "functions of Python",
      () => pickleOf(called(named("builtins", "eval"), textOf("1"))),
      "it holds a builtins.eval, which is no plain array of numbers",
    ],
    ["names out of the prototype", () => pickleOf(called(named("collections", "constructor"))), "constructor"],
    ["arrays of other kinds", () => pickleOf(named("torch._utils", "_rebuild_qtensor")), "_utils._rebuild_qtensor"],
    ["calls of types", () => pickleOf(called(named("torch", "FloatStorage"))), "calls what is no function"],
    ["calls of texts", () => pickleOf(called(textOf("OrderedDict"))), "calls what is no function"],
    ["other instructions", () => pickleOf(Buffer.from("i")), 'the instruction "i", which torch.save does not write'],
    ["a later protocol", () => Buffer.from([0x80, 5, 0x2e]), "no pickle of protocol 2"],
    ["no end", () => weight().subarray(0, -1), "it is cut off"],
    ["what is taken from nothing", () => Buffer.from([0x80, 2, 0x73, 0x2e]), "it takes what is not there"],
    ["a tuple of nothing", () => Buffer.from([0x80, 2, 0x74, 0x2e]), "it takes what is not there"],
    ["memories of nothing", () => Buffer.from([0x80, 2, 0x68, 7, 0x2e]), "it takes what is not there"],
    ["a text that says it is long", () => pickleOf(Buffer.from([0x58, 0xff, 0xff, 0xff, 0xff])), "it is cut off"],
    ["a name without an end", () => pickleOf(Buffer.from("cos")), "it is cut off"],
    ["what is no dict", () => Buffer.from([0x80, 2, 0x4b, 7, 0x2e]), "it is no dict of arrays"],
    ["objects without end", () => pickleOf(Buffer.alloc(2 << 20, "]")), "it has more than 1000000 objects"],
    ["marks without end", () => pickleOf(Buffer.alloc(2 << 20, "(")), "it takes what is not there"],
    ["a storage elsewhere", () => pickleOf(array(storage("../../0"), [3, 2], [2, 1])), "a storage without a place"],
    ["a storage that is missing", () => pickleOf(array(storage("1"), [3, 2], [2, 1])), "it has no data/1"],
    ["an array of no storage", () => pickleOf(array(textOf("0"), [3, 2], [2, 1])), "an array without a storage"],
    ["a parameter of no array", () => pickleOf(parameter(textOf("0"))), "a parameter without an array"],
    ["weights of absurd sizes", () => pickleOf(array(storage("0"), [2e9, 2e9], [2e9, 1])), "does not fit its file"],
    ["weights of negative sizes", () => pickleOf(array(storage("0"), [-3, 2], [2, 1])), "a size of the weight"],
    ["weights without strides", () => pickleOf(array(storage("0"), [3, 2], [2])), "has sizes without strides"],
    ["weights that repeat elements", () => pickleOf(array(storage("0"), [2e9, 2], [0, 0])), "does not fit its file"],
    ["weights from behind", () => pickleOf(array(storage("0"), [3, 2], [2, 1], 1e9)), "does not fit its file"],
    ["no such weight", () => Buffer.from([0x80, 2, 0x7d, 0x2e]), "has no elements of weight"],
    [
      "complex weights",
      () => pickleOf(array(storage("0", "ComplexFloatStorage"), [3, 1], [1, 1])),
      "the weight weight is no plain array of numbers",
    ],
  ])("with %s are refused", async (_what, pickle, message) => {
    await expectRefused(archiveOf(pickle()), message);
  });

  it.each<[string, (members: Members) => void, string]>([
    ["no pickle", (members) => delete members["data.pkl"], "it holds no data.pkl"],
    ["no storages", (members) => delete members["data/0"], "it has no data/0"],
    ["the other byte order", (members) => (members.byteorder = "big"), "not in little-endian order"],
  ])("with %s are refused", async (_what, change, message) => {
    const members = savedOf(weight());
    change(members);
    await expectRefused(archive(saved(members)), message);
  });

  it("that are no archive of torch.save are refused", async () => {
    await expectRefused(archive(Buffer.from("weights")), "member serialized_state_dict.pt: is truncated or damaged");
  });
});

function call(operator: string, inputs: Record<string, Json>, output = "result"): Json {
  return {
    target: `torch.ops.aten.${operator}.default`,
    inputs: Object.entries(inputs).map(([name, arg]) => input(name, arg)),
    outputs: [tensor(output)],
    metadata: {},
  };
}
