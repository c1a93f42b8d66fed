import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { launch, openPage, type Opened } from "./browser";
import { themes, type Theme } from "./themes";

/** Pictures of kernels in a plain browser, under the panel's own content security policy. */

const root = join(import.meta.dirname, "../..");

export interface KernelPage extends Opened {
  /** Leaves a picture in test-artifacts/. */
  readonly screenshot: (name: string) => Promise<void>;
  /** Waits until everything that is in view has come and has been drawn. */
  readonly settled: () => Promise<void>;
}

export interface KernelPageOptions {
  readonly theme?: Theme;
  readonly width?: number;
  readonly height?: number;
  readonly density?: number;
  readonly touch?: boolean;
}

/** The browser draws WebGL2 in software, or has none. */
export function launchWith(webGl: boolean): Promise<Browser> {
  return launch(
    webGl
      ? ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
      : ["--disable-gpu", "--disable-3d-apis"],
  );
}

let files: Promise<Record<string, string>> | null = null;

async function bundle(): Promise<Record<string, string>> {
  const common = { absWorkingDir: root, bundle: true, write: false, outdir: "/" } as const;
  const [script, style] = await Promise.all([
    build({ ...common, entryPoints: ["test/webview/fixtures/kernel-harness.ts"], format: "iife", target: "es2022" }),
    build({ ...common, entryPoints: ["webview/style.css"] }),
  ]);
  const harness = ".harness { padding-top: 12px; width: var(--width); }";
  return { "harness.js": script.outputFiles[0].text, "style.css": style.outputFiles[0].text + harness };
}

export async function openKernelPage(
  browser: Browser,
  { theme = themes.dark, width = 640, height = 720, density = 1, touch = false }: KernelPageOptions = {},
): Promise<KernelPage> {
  files ??= bundle();
  const { page, complaints } = await openPage(
    browser,
    { viewport: { width, height }, deviceScaleFactor: density, hasTouch: touch },
    { title: "Kernels", theme, files: await files, script: "harness.js", style: "style.css" },
  );
  return {
    page,
    complaints,
    screenshot: async (name) => {
      const folder = join(root, "test-artifacts");
      await mkdir(folder, { recursive: true });
      await page.screenshot({ path: join(folder, `kernel, ${name}.png`), fullPage: true });
    },
    settled: () => page.evaluate(settled),
  };
}

/** Two frames after the last answer, all is drawn. */
const settled = `(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let quiet = 0; quiet < 4; quiet++) {
    await frame();
    await new Promise((done) => setTimeout(done, 0));
  }
})()`;
