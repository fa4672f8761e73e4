// The page of `glint configure`. The table of questions and every sum come from the server: what
// this page adds is the form. Answers that differ from their presets stand in the address behind
// the #, so that a link keeps them.
import { ask } from '../ask.js';
import { showProposal } from './proposal.js';
import { showQuestions } from './questions.js';

const form = document.getElementById('questions');
const answer = document.getElementById('answer');
const announcement = document.getElementById('announcement');

async function getJson(path) {
  const response = await ask(path);
  const json = await response.json();
  if (!response.ok) throw Object.assign(new Error(json.error.message), { param: json.error.param });
  return json;
}

// Of the answers, those that are not the presets.
function changedAnswers(questions) {
  const changed = new URLSearchParams();
  for (const question of questions) {
    const value = new FormData(form).get(question.id) ?? '';
    if (value !== question.preset) changed.set(question.id, value);
  }
  return changed;
}

// Once no key has been pressed for a moment: browsers count how often an address changes.
let keeping = null;
function keepInAddress(changed) {
  clearTimeout(keeping);
  const address = changed.size > 0 ? `#${changed}` : location.pathname;
  keeping = setTimeout(() => history.replaceState(null, '', address), 200);
}

function showRefusal(param, message) {
  for (const node of form.querySelectorAll('.refusal')) {
    node.textContent = node.dataset.question === param ? message : '';
    node.hidden = node.textContent === '';
  }
}

function announce(proposal) {
  const [problem] = proposal.problems;
  announcement.textContent = problem ? `Impossible: ${problem.split('\n')[0]}` : proposal.command;
}

function problemOf({ name, message }) {
  return name === 'KeyWanted' ? message : `The server does not answer (${message}).`;
}

// Answers may overtake each other: only the last question's is shown.
let asked = 0;
async function propose(questions) {
  const turn = ++asked;
  const changed = changedAnswers(questions);
  keepInAddress(changed);
  try {
    const proposal = await getJson(`configure/proposal?${changed}`);
    if (turn !== asked) return;
    showRefusal(null, '');
    showProposal(answer, proposal);
    announce(proposal);
  } catch (error) {
    if (turn !== asked) return;
    showRefusal(error.param, error.message);
    announcement.textContent = error.param ? error.message : 'The server does not answer.';
    if (!error.param) answer.textContent = problemOf(error);
  }
}

async function start() {
  const { questions } = await getJson('configure/questions');
  const proposeAnew = () => propose(questions);
  const show = () => {
    showQuestions(form, questions, new URLSearchParams(location.hash.slice(1)));
    return proposeAnew();
  };
  form.addEventListener('input', proposeAnew);
  form.addEventListener('submit', (event) => event.preventDefault());
  window.addEventListener('hashchange', show);
  await show();
}

start().catch((error) => { answer.textContent = problemOf(error); });
