// The form: one fieldset for each question of the server's table.

export function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Lines do not break at the dashes of a flag.
export function sentence(text) {
  return text.split(/(--[\w-]+)/).map((part) => (part.startsWith('--') ? node('span', { className: 'flag' }, part) : part));
}

function radio(question, value, chosen) {
  const input = node('input', { type: 'radio', name: question.id, value: value.value });
  input.checked = value.value === chosen;
  const label = node('label', { title: value.not_yet ?? '' }, input, value.label);
  label.classList.toggle('later', value.not_yet !== null);
  return label;
}

function choices(question, chosen) {
  const values = node('div', { className: 'values' });
  values.append(...question.values.map((value) => radio(question, value, chosen)));
  return values;
}

function field(question, chosen) {
  const input = node('input', { type: question.kind, name: question.id, id: question.id, value: chosen });
  if (question.kind === 'number') {
    Object.assign(input, { min: question.least, max: question.most, step: 1, inputMode: 'numeric' });
  } else {
    input.spellcheck = false;
  }
  input.setAttribute('aria-describedby', `help-${question.id}`);
  return input;
}

// `answers` are URLSearchParams; what they leave out, or what is no value any more, is the preset.
function chosenValue(question, answers) {
  const answer = answers.get(question.id) ?? question.preset;
  const known = question.kind !== 'choice' || question.values.some((value) => value.value === answer);
  return known ? answer : question.preset;
}

function fieldset(question, answers) {
  const chosen = chosenValue(question, answers);
  const help = node('p', { className: 'help', id: `help-${question.id}` }, ...sentence(question.help));
  const refusal = node('p', { className: 'refusal', hidden: true });
  refusal.dataset.question = question.id;
  if (question.kind !== 'choice') {
    const label = node('label', { className: 'label', htmlFor: question.id }, question.label);
    return node('fieldset', {}, label, help, field(question, chosen), refusal);
  }
  const set = node('fieldset', {}, node('legend', {}, question.label), help, choices(question, chosen), refusal);
  set.setAttribute('aria-describedby', help.id);
  return set;
}

export function showQuestions(form, questions, answers) {
  form.replaceChildren(...questions.map((question) => fieldset(question, answers)));
}
