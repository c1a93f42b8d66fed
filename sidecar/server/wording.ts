import type { ModelFault } from "../protocol/messages";
import { blamesInterpreter } from "../protocol/options";

/** What the editor can do about a fault: decides the quick fix, and is the diagnostic's code. */
export type FaultCode = "input-shape" | "time-limit" | "code-memory" | "python-interpreter" | "model-error";

/** Faults are worded for the command line, and name its options; the editor has settings and commands instead. */
export function faultForEditor(fault: ModelFault, path: string): ModelFault {
  const message = fault.message
    .replace(new RegExp(`^${escaped(path)}: (?=(is|has|holds) )`), "the file ")
    .replace(new RegExp(`^${escaped(path)}: `), "")
    .replaceAll("--time-limit", "the setting kernelscope.timeLimit")
    .replaceAll("--code-memory", "the setting kernelscope.codeMemory")
    .replace(/--strategy "([^"]+)" --chunk (\d+)/g, "the strategy $1 in chunks of $2")
    .replace(/--strategy "([^"]+)"/g, "the strategy $1")
    .replace("use --form trace,", "take the form trace,")
    .replace(/use --method (\S+),/, "take the method $1,")
    .replace(
      /(give|or give) (the Python|another Python)( that has \w+)? with --python/g,
      (_, give: string, which, what = "") => {
        return `${give.replace("give", "choose")} ${which} interpreter${what}`;
      },
    )
    .replace(/write its arguments, as in \S+?\((.+)\)$/, "set its arguments, such as $1")
    .replace(/or the arguments in #(\S+)/, "or the arguments of $1")
    .replaceAll("add --input ", "set the input shape ")
    .replace(/SHAPE --input (?=\S+=N,SHAPE)/g, "SHAPE and the input shape ")
    .replace(/(correct|or) --input$/, "$1 the input shapes")
    .replaceAll("correct --input", "correct the input shapes")
    .replace(/--input (.+?) has the shape /g, "the input shape of $1 is ")
    .replaceAll("--input ", "the input shape of ");
  return { ...fault, message: asSentence(message) };
}

/** Begins with a capital, unless it begins with a name: of a setting, of a file, of the user's own (`x is not defined`). */
function asSentence(message: string): string {
  if (/^\S+ is not /.test(message)) return message;
  return message.replace(/^[a-z]+(?= )/, (word) => word.charAt(0).toUpperCase() + word.slice(1));
}

export function faultCode({ message }: ModelFault): FaultCode {
  if (/set the input shape|(correct|or) the input shapes|the input shape of/i.test(message)) return "input-shape";
  if (message.includes("kernelscope.timeLimit")) return "time-limit";
  if (message.includes("kernelscope.codeMemory")) return "code-memory";
  if (blamesInterpreter(message)) return "python-interpreter";
  return "model-error";
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
