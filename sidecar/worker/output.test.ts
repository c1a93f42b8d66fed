import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { passOn } from "./output";

async function passed(text: string): Promise<{ written: string; ranOutOfHeap: boolean }> {
  const output = new PassThrough();
  let written = "";
  const { ranOutOfHeap } = passOn(output, (line) => (written += line));
  output.end(text);
  await once(output, "close");
  return { written, ranOutOfHeap: ranOutOfHeap() };
}

describe("what a worker prints", () => {
  it.each(["", "a\n", "a\n\n#\nb\n", "\n\n", "#\n"])("is passed on: %j", async (text) => {
    expect(await passed(text)).toEqual({ written: text, ranOutOfHeap: false });
  });

  it("is passed on up to V8's last words", async () => {
    const full = "\n<--- Last few GCs --->\n\n[1] 2 ms: Mark-sweep\n\n<--- JS stacktrace --->\n\n";
    expect(
      await passed(`a\n${full}FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n`),
    ).toEqual({
      written: "a\n",
      ranOutOfHeap: true,
    });
    expect(await passed("\n\n#\n# Fatal JavaScript invalid size error 169220804\n#\n#\n")).toEqual({
      written: "",
      ranOutOfHeap: true,
    });
    expect(await passed("FATAL ERROR: v8::HandleScope::CreateHandle() Cannot create a handle\n")).toEqual({
      written: "",
      ranOutOfHeap: false,
    });
  });
});
