import { join } from "node:path";
import { loadProgram } from "../cache/code-cache";
import { cacheFolder } from "../cache/folder";
import type { serveParent, warmUp } from "./main";

/**
 * The worker process's first program. The worker itself is megabytes of JavaScript: it is loaded from V8's code cache.
 * Arguments: "cache" where that may be kept on disk, "code" where the request will need esbuild, and "warm" where there is
 * time to load what a model needs before there is a request.
 */
const settings = process.argv.slice(2);

// esbuild's own process starts on another core while TensorFlow.js is loading here.
if (settings.includes("code")) void import("esbuild").then(({ transform }) => transform(""));

const program = loadProgram(join(__dirname, "worker-main.js"), settings.includes("cache") ? cacheFolder("code") : null);
const worker = program.exports as { serveParent: typeof serveParent; warmUp: typeof warmUp };
worker.serveParent(() => program.keep());
if (settings.includes("warm")) void worker.warmUp();
