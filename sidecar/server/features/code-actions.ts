import { CodeActionKind, type CodeAction, type Command, type Diagnostic } from "vscode-languageserver/node";
import type { DiagnosticData } from "./diagnostics";
import { isCalled } from "../../protocol/options";
import { formatWay } from "../../protocol/text";
import { commands } from "./shown";

/** Quick fixes for our own diagnostics: each is a command of the extension. */
export function codeActions(diagnostics: readonly Diagnostic[]): CodeAction[] {
  return diagnostics
    .filter(({ source, data }) => source === "Kernelscope" && data !== undefined)
    .flatMap((diagnostic) =>
      fixesFor(diagnostic).map((command, index): CodeAction => ({
        title: command.title,
        kind: CodeActionKind.QuickFix,
        diagnostics: [diagnostic],
        isPreferred: index === 0,
        command,
      })),
    );
}

function fixesFor(diagnostic: Diagnostic): Command[] {
  const { model, takes, inputs, kind, use, parameters = [] } = diagnostic.data as DiagnosticData;
  const name = model.export ?? "the model";
  const fix = (title: string, command: string, args: unknown[] = [model]): Command => ({
    title,
    command,
    arguments: args,
  });
  const again = fix("Analyze again", commands.analyze);
  const setInputs = fix(`Set the input shapes of ${name}…`, commands.setInputs);
  // What was given for them may be what is wrong
  const setGiven = [
    ...(isCalled(kind) && takes.length > 0 ? [fix(`Set the arguments of ${name}…`, commands.setArguments)] : []),
    ...(inputs.length > 0 ? [setInputs] : []),
  ];
  const useFix = use
    ? [fix(`Compute the Jacobian by ${formatWay(use)}`, commands.useStrategy, [model, use.strategy, use.chunk])]
    : [];
  const compare = fix("Show memory over time", commands.showOverview, [model, "memory"]);
  switch (diagnostic.code) {
    case "input-shape":
      return [setInputs, again];
    case "time-limit":
      return [fix("Raise the time limit of model code…", commands.setTimeLimit), again];
    case "code-memory":
      return [fix("Raise the memory limit of model code…", commands.setCodeMemory), again];
    case "python-interpreter":
      return [fix("Choose the Python interpreter…", commands.choosePython, []), again];
    case "model-error":
      return [...setGiven, again];
    case "result-too-large":
      return [fix("Set the batch size…", commands.setBatch), fix("Choose another device…", commands.chooseDevice, [])];
    case "memory-exceeded":
      return [
        ...useFix,
        fix("Set the batch size…", commands.setBatch),
        fix("Choose another device…", commands.chooseDevice, []),
        ...(parameters.length === 0
          ? []
          : [
              fix(`Leave ${parameters.join(", ")} out of the Jacobian`, commands.excludeParameters, [
                model,
                parameters,
              ]),
            ]),
        compare,
      ];
    case "pytorch-memory":
      return [
        fix("Set the batch size…", commands.setBatch),
        fix("Choose another device…", commands.chooseDevice, []),
        compare,
      ];
    case "pytorch-fallback":
    case "pytorch-error":
      return [compare];
    case "slow-fallback":
      return [...useFix, compare];
    case "excluded-parameters":
      return [fix("Include all parameters in the Jacobian again", commands.excludeParameters, [model, null])];
    case "coupled-examples":
      return [fix("Set the batch size…", commands.setBatch)];
    default:
      return [];
  }
}
