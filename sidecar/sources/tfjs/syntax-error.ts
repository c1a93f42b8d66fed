import type { BuildFailure, Message } from "esbuild";
import { resolve } from "node:path";
import { ModelError } from "../../graph/errors";

/** What esbuild could not parse or find, as an error of the model, with the place; null for any other error. */
export function syntaxError(error: unknown, file: string): ModelError | null {
  const messages = (error as Partial<BuildFailure> | null)?.errors;
  const first: Message | undefined = messages?.[0];
  if (!first) return null;
  const place = first.location;
  const text = first.text.replace(/\s*\(?[Yy]ou can mark the path.*$/s, "").replace(/\.$/, "");
  return new ModelError(
    text.startsWith("Could not resolve") ? `${text}: install it, or correct the import` : `${text}: correct the syntax`,
    {
      file: place ? resolve(place.file.replace(/^[a-z-]+:/, "")) : file,
      line: place?.line ?? 1,
      column: (place?.column ?? 0) + 1,
    },
  );
}
