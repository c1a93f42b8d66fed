import { totalmem } from "node:os";
import { describe, expect, it } from "vitest";
import { GPU_RESERVE_BYTES, detectDevice, detectDevices, hostDevice, namedDevice, parseMemory } from "./detect";

describe("devices", () => {
  it("finds this machine's CPU last, with its memory", async () => {
    const devices = await detectDevices();
    expect(devices.at(-1)).toMatchObject({ memoryBytes: totalmem(), detected: true });
    expect(devices.every(({ memoryBytes }) => memoryBytes > 0)).toBe(true);
    expect(detectDevice().memoryBytes).toBeGreaterThan(0);
  });

  it("knows common cards by a part of their names", () => {
    expect(namedDevice("--device", "v100 16")).toEqual({
      name: "Tesla V100 16GB",
      memoryBytes: 16 * 2 ** 30,
      detected: false,
      kind: "card",
      reservedBytes: GPU_RESERVE_BYTES,
    });
    expect(namedDevice("--device", "4090").name).toBe("RTX 4090 24GB");
  });

  it("leaves a quarter of Apple's unified memory to the rest, and all of a host's to arrays", () => {
    expect(namedDevice("--device", "unified memory 64").reservedBytes).toBe(16 * 2 ** 30);
    expect(hostDevice()).toMatchObject({ kind: "host", reservedBytes: 0 });
  });

  it("lists them where the name is unknown or stands for several", () => {
    expect(() => namedDevice("--device", "Voodoo")).toThrow(
      /--device Voodoo: not known; choose one of Tesla T4 16GB, /,
    );
    expect(() => namedDevice("--device", "A100")).toThrow(/--device A100: not unique/);
  });

  it("reads sizes in powers of two", () => {
    expect(parseMemory("--memory", "16GiB")).toBe(2 ** 34);
    expect(parseMemory("--memory", "1.5 MiB")).toBe(1.5 * 2 ** 20);
    expect(parseMemory("--memory", "4096")).toBe(4096);
    expect(() => parseMemory("--memory", "lots")).toThrow(/write a size such as 16GiB/);
  });
});
