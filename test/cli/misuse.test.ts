import { expect, it } from "vitest";
import { kernelscope } from "./kernelscope";

/** A command line that cannot be meant: exit code 2, and nothing is started. */

const model = "examples/mlp.ts";
const cases: readonly { says: RegExp; args: readonly string[] }[] = [
  { says: /there is no command frobnicate; the commands are analyze/, args: ["frobnicate"] },
  { says: /give one MODEL/, args: ["analyze"] },
  { says: /give one MODEL/, args: ["analyze", model, model] },
  { says: /--batch 0: give a whole number/, args: ["analyze", model, "--batch", "0"] },
  { says: /--frobnicate/, args: ["analyze", model, "--frobnicate"] },
  { says: /give --device or --memory, not both/, args: ["analyze", model, "--device", "T4", "--memory", "1GiB"] },
  { says: /--time-limit soon: give a number of seconds/, args: ["analyze", model, "--time-limit", "soon"] },
  { says: /--code-memory much: write a size such as 16GiB/, args: ["analyze", model, "--code-memory", "much"] },
  { says: /--out is missing/, args: ["jacobian", model, "--inputs", "x.npy"] },
  {
    says: /--strategy best: choose one of jacrev/,
    args: ["jacobian", model, "--inputs", "x", "--out", "y", "--strategy", "best"],
  },
];

it.each(cases)("$says", async ({ says, args }) => {
  const { status, out, err, left } = await kernelscope(args);
  expect(err).toMatch(says);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
  expect(out).toBe("");
  expect(status).toBe(2);
  expect(left).toEqual([]);
});

it("--help names every option, and is no misuse", async () => {
  for (const command of ["analyze", "jacobian"]) {
    const { status, out } = await kernelscope([command, "--help"]);
    expect(status).toBe(0);
    for (const option of ["--time-limit", "--code-memory", "--json"]) expect(out).toContain(option);
  }
});
