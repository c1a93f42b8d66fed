import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where Kernelscope keeps what is dear to make again: `KERNELSCOPE_CACHE`, or else `kernelscope` in the user's cache
 * folder. Whatever is in it can be deleted at any time.
 */
export function cacheFolder(part: "sessions" | "code" | "tensorflow"): string {
  const { KERNELSCOPE_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return join(own ?? join(shared ?? join(homedir(), ".cache"), "kernelscope"), part);
}
