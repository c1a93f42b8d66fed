import type { Operator, OperatorTable } from "../call";

/** Random operators: a model has derivatives where it is the same function each time. */

const refused: Operator = (_b, call) => {
  throw call.refuse("is random; a model must give the same outputs each time: take the random numbers as an input");
};

/** The identity but in training mode; then it is random. */
const dropout: Operator = (_b, call) => {
  const isTraining = call.flag("train", call.operator === "native_dropout") && call.number("p", 0.5) > 0;
  if (isTraining) throw call.refuse("is random in training mode; call model.eval() before the export");
  const input = call.value("input");
  return call.operator === "native_dropout" ? [input, null] : input;
};

const names = [
  ...["bernoulli", "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal"],
  ...["uniform", "multinomial", "exponential", "geometric", "log_normal", "cauchy", "poisson", "random"],
];

export const random: OperatorTable = {
  dropout,
  native_dropout: dropout,
  alpha_dropout: dropout,
  feature_dropout: dropout,
  feature_alpha_dropout: dropout,
  ...Object.fromEntries(names.map((name) => [name, refused])),
};
