// The extension's package, as a user installs it: what is in it, how large it is, and that its programs work with nothing
// beside them.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageExtension } from "../scripts/package.mjs";

const run = promisify(execFile);
const platform = `${process.platform}/${process.arch}`;

let vsix: string;
let folder: string;
let files: string[];

beforeAll(async () => {
  vsix = await packageExtension();
  folder = mkdtempSync(join(tmpdir(), "kernelscope-installed-"));
  files = unpack(vsix, folder);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Unpacks an archive with the modes of its files, as VS Code does; tells the files' names. */
function unpack(archive: string, folder: string): string[] {
  const bytes = readFileSync(archive);
  const modes = modesIn(bytes);
  const contents = Object.entries(unzipSync(bytes));
  for (const [name, content] of contents) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, modes.get(name)!);
  }
  return contents.map(([name]) => name).sort();
}

/** The permissions of each file, from the archive's directory (which fflate does not tell). */
function modesIn(archive: Buffer): Map<string, number> {
  const end = archive.lastIndexOf("PK\x05\x06", undefined, "latin1");
  const modes = new Map<string, number>();
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const mode = archive.readUInt32LE(at + 38) >>> 16;
    modes.set(archive.toString("utf8", at + 46, at + 46 + name), mode & 0o777);
    at += 46 + name + extra + comment;
  }
  return modes;
}

function kernelscope(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const cli = join(folder, "extension", "dist", "cli.js");
  const { NODE_PATH: _, ...env } = process.env;
  return run(process.execPath, [cli, ...args], { cwd: folder, env, maxBuffer: 1 << 24 });
}

const example = (name: string): string => join(folder, "extension", "examples", name);

describe("the package", () => {
  it("holds what the extension needs and nothing else", () => {
    const expected = [
      /^\[Content_Types\]\.xml$/,
      /^extension\.vsixmanifest$/,
      /^extension\/(package\.json|readme\.md|changelog\.md|LICENSE\.txt|ThirdPartyNotices\.txt)$/,
      /^extension\/media\/(icon\.png|kernelscope\.svg|panel-(dark|light)\.svg|walkthrough\/[\w-]+\.(svg|md))$/,
      /^extension\/docs\/[a-z]+\.md$/,
      /^extension\/examples\/[\w-]+\.(ts|npy|py)$/,
      /^extension\/dist\/(extension|client|cli|server|planning|worker|worker-main|watchdog|webview|codicon)\.(js|css|ttf)$/,
      /^extension\/dist\/torch_program\.py$/,
      /^extension\/dist\/node_modules\/(esbuild|onnxruntime-(node|common)|@esbuild\/[\w-]+)\//,
    ];
    for (const pattern of expected)
      expect(
        files.some((name) => pattern.test(name)),
        String(pattern),
      ).toBe(true);
    expect(files.filter((name) => !expected.some((pattern) => pattern.test(name)))).toEqual([]);
    expect(files.filter((name) => /\.(map|tsx?|test\..*)$/.test(name) && !name.includes("/examples/"))).toEqual([]);
  });

  it("has the native parts of this platform only", () => {
    const native = files.filter((name) => /\.(node|dll|dylib|exe|so(\.\d+)*)$|\/bin\//.test(name));
    const own = [`/napi-v6/${platform}/`, `/@esbuild/${process.platform}-${process.arch}/`];
    expect(native.filter((name) => !own.some((part) => name.includes(part)))).toEqual([]);
    for (const part of own)
      expect(
        native.some((name) => name.includes(part)),
        part,
      ).toBe(true);
  });

  it("is smaller than 60 MB", () => {
    expect(statSync(vsix).size).toBeLessThan(60e6);
  });

  it("has a manifest whose files are there, without what is for development only", () => {
    const text = readFileSync(join(folder, "extension", "package.json"), "utf8");
    const manifest = JSON.parse(text) as { main: string; icon: string };
    expect(manifest).not.toHaveProperty("devDependencies");
    expect(manifest).not.toHaveProperty("scripts");
    const pictures = [...text.matchAll(/"(media\/[^"]+)"/g)].map(([, file]) => file);
    expect(pictures).toContain(manifest.icon);
    for (const file of [manifest.main.replace("./", ""), ...pictures]) expect(files).toContain(`extension/${file}`);
  });

  it("says whose work is in it", () => {
    const notices = readFileSync(join(folder, "extension", "ThirdPartyNotices.txt"), "utf8");
    for (const name of [
      "@tensorflow/tfjs-core",
      "onnxruntime-node",
      "esbuild",
      "@vscode/codicons",
      "systeminformation",
    ]) {
      expect(notices).toContain(`\n${name} `);
    }
  });
});

describe("its command line, with no packages beside it", () => {
  it("analyses an example", async () => {
    const { stdout } = await kernelscope("analyze", example("residual-net.ts"), "--json");
    const { jacobian } = JSON.parse(stdout) as { jacobian: { shape: number[] } };
    expect(jacobian.shape).toEqual([1, 10, 386_618]);
  });

  it("computes the Jacobian of an example", async () => {
    const out = join(folder, "jacobian.npz");
    const args = ["--inputs", example("images.npy"), "--out", out, "--engine", "onnxruntime", "--json"];
    const { stdout } = await kernelscope("jacobian", example("residual-net.ts"), ...args);
    expect((JSON.parse(stdout) as { shape: number[] }).shape).toEqual([4, 10, 386_618]);
    expect(statSync(out).size).toBeGreaterThan(4 * 10 * 386_618 * 4);
  });

  it("starts the server, which ends with its input", async () => {
    const cli = join(folder, "extension", "dist", "cli.js");
    const server = spawn(process.execPath, [cli, "serve", "--until-input-ends"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    expect(JSON.parse(line.toString())).toMatchObject({ address: expect.stringMatching(/^ws:/) as string });
    server.stdin.end();
    expect(await once(server, "exit")).toEqual([0, null]);
  });

  it("knows the devices and engines", async () => {
    const { stdout } = await kernelscope("devices", "--json");
    const { engines } = JSON.parse(stdout) as { engines: { name: string; available: boolean }[] };
    expect(engines).toContainEqual(expect.objectContaining({ name: "onnxruntime", available: true }));
  });
});
