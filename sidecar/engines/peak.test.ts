import { expect, test } from "vitest";
import { measurePeak } from "./peak";

const mebibyte = 2 ** 20;

test.skipIf(process.platform !== "linux")("the peak is that of the work, not of what ran before", async () => {
  const touch = async (size: number): Promise<number> => {
    const array = new Uint8Array(size).fill(1);
    await Promise.resolve();
    return array.length;
  };
  await touch(400 * mebibyte);
  globalThis.gc?.();
  const { result, addedBytes, exact } = await measurePeak(() => touch(64 * mebibyte));
  expect(result).toBe(64 * mebibyte);
  expect(exact).toBe(true);
  expect(addedBytes).toBeLessThan(200 * mebibyte);
});

test("a failure is passed on", async () => {
  await expect(measurePeak(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
