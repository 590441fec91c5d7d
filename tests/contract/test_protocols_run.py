"""Every experiment from its plan to its trials, on a small chat model and on a base model without a template."""

import functools
import math
import shutil

import lab
import pytest
import tiny
import torch
import witness

from introspect.errors import PlanError, SubjectError, UnknownNameError
from introspect.protocols.protocol import FAMILIES
from introspect.protocols.registry import PROTOCOLS
from introspect.protocols.trials import query, request, run_trials
from introspect.stimuli import load_stimuli
from introspect.subjects.local import LocalSubject
from introspect.sweeps.prepare import prepare
from introspect.sweeps.reading import EFFECTS, PROMPTS, TRIALS, VECTORS, read_effects, read_prompts, read_trials
from introspect.sweeps.run import sweep
from introspect.vectors.vector import load_vectors

N_NEW = 3
SMALL = {"n_options": 4, "layers": (1,), "max_new_tokens": N_NEW, "batch_size": 4}
CONTROLS = tuple(family for family in FAMILIES if family != "concept")


@functools.cache
def baseline():
    """A short list of other words, so that vectors are there at once."""
    path = tiny.home() / "baseline.toml"
    path.write_text('words = ["tables", "rivers", "clouds", "letters", "engines"]', "utf-8")
    return str(path)


def plan_of(name, **changes):
    layers = {} if PROTOCOLS[name].injects else {"layers": None}
    wordings = lab.covering(name)
    return lab.small(name, **(SMALL | layers | {"baseline": baseline(), "wordings": wordings} | changes))


def fresh(template=True):
    """The same model with an engine of its own: nothing is left of earlier runs."""
    known = lab.subject(template)
    return LocalSubject(known.model, known.chat, known.identity)


@functools.cache
def finished(name, template=True):
    """The run folder of an experiment; to be read, not changed."""
    return sweep(plan_of(name), tiny.home() / f"run-{name}-{template}", subject=lab.subject(template))


def lines(folder):
    return sorted((folder / TRIALS).read_bytes().splitlines())


def by_arm(trials, arm):
    return [trial for trial in trials if trial.spec.arm == arm]


@functools.cache
def materials_of(name):
    """What a finished run drew on, to run some of its trials by hand."""
    prepared = prepare(plan_of(name), subject=lab.subject())
    return prepared.materials(load_vectors(finished(name) / VECTORS))


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_trial_is_run_once_and_audited_and_its_prompt_is_kept(name, template):
    folder, chat = finished(name, template), lab.subject(template).chat
    trials, prompts = read_trials(folder), read_prompts(folder)
    wanted = prepare(plan_of(name), subject=lab.subject(template)).specs
    assert sorted(trial.key for trial in trials) == sorted(spec.key for spec in wanted)
    assert {trial.spec.arm for trial in trials} == set(PROTOCOLS[name].default_arms)
    for trial in trials:
        spec, conversation = trial.spec, lab.prompt(trial.spec, chat)
        assert prompts[trial.prompt].text.startswith(conversation.text)
        assert prompts[trial.prompt].format == ("chat" if template else "transcript")
        assert len(trial.audits) == (0 if spec.vector is None else 1 + len(spec.also))
        for audit, mark in zip(trial.audits, (spec.span, *(also.span for also in spec.also)), strict=False):
            assert audit.prompt_spans == (conversation.tokens_of(mark),)
            assert audit.edited_prompt == audit.planned_prompt > 0
            assert audit.edited_generated == audit.planned_generated
            assert audit.layer == spec.layer == 1
        for audit in trial.audits[:1]:
            assert audit.delta_norm == pytest.approx(spec.strength * audit.vector_norm, rel=1e-3)


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_read_is_there_and_is_what_it_says(name, template):
    n_tokens = len(lab.tokenizer(template))
    for trial in read_trials(finished(name, template)):
        spec, scores = trial.spec, trial.scores
        reading = PROTOCOLS[name].reading(spec.task)
        if reading == "reply":
            assert trial.finish in {"stop", "length"}
            assert len(trial.reply_tokens) <= N_NEW
            assert scores is None
            continue
        assert (trial.finish, trial.reply, trial.reply_tokens) == ("scored", "", ())
        found = lab.prompt(spec, lab.chat(template))
        if reading == "options":
            assert len(scores.logprobs) == len(spec.options) > 1
            assert max(scores.logprobs) <= 0
            assert scores.mass == pytest.approx(sum(math.exp(value) for value in scores.logprobs), abs=1e-3)
            assert 0 < scores.mass <= 1
        elif reading == "ranks":
            assert scores.positions == tuple(range(*found.tokens_of(spec.span)))
            assert len(scores.ranks) == len(scores.positions)
            assert 1 <= min(scores.ranks) <= max(scores.ranks) <= n_tokens
        elif reading == "surprisal":
            start, stop = found.tokens_of("text")
            assert len(scores.surprisal) == stop - start
            assert min(scores.surprisal) >= 0
        else:
            kinds = [lead + kind for lead in ("", "centred_") for kind in ("cosine", "baseline", "spread")]
            assert sorted(scores.curves) == sorted(kinds)
            assert {len(values) for values in scores.curves.values()} == {tiny.N_LAYERS}
            assert all(abs(value) <= 1 for values in scores.curves.values() for value in values)


@pytest.mark.parametrize(("name", "share"), list(zip(PROTOCOLS, (0.0, 0.6, 0.3, 0.8) * 4, strict=False)))
def test_a_run_that_was_interrupted_goes_on_to_the_trials_of_an_unbroken_one(name, share, tmp_path):
    """In a new process nothing is left of the engine's memory; with no trial kept it is a second run."""
    folder = shutil.copytree(finished(name), tmp_path / "broken")
    whole = (folder / TRIALS).read_bytes()
    kept = whole[: whole.rfind(b"\n", 0, int(share * len(whole)) + 1) + 1]
    (folder / TRIALS).write_bytes(kept + whole[len(kept) :][:40])  # a line that was never finished
    if not share:
        (folder / PROMPTS).write_bytes((folder / PROMPTS).read_bytes()[:40])
        (folder / VECTORS).unlink()
    sweep(plan_of(name), folder, subject=fresh())
    assert (folder / TRIALS).read_bytes().startswith(kept)
    assert lines(folder) == lines(finished(name))
    assert read_prompts(folder) == read_prompts(finished(name))


def test_prompts_are_on_the_disk_before_the_trials_that_have_them():
    for name in PROTOCOLS:
        prompts = read_prompts(finished(name))
        assert {trial.prompt for trial in read_trials(finished(name))} == set(prompts)


@pytest.mark.parametrize(("name", "task"), [("steer_then_remove", "detect/words"), ("localisation", "locate")])
def test_a_vector_of_strength_zero_changes_nothing_that_is_read_and_a_strong_one_does(name, task, tmp_path):
    plan = plan_of(name, strengths=(0.0, 8.0), arms=("concept", "none"), tasks=(task,))
    trials = read_trials(sweep(plan, tmp_path / "run", subject=lab.subject()))
    clean = {(trial.spec.task, trial.prompt): trial.scores.logprobs for trial in by_arm(trials, "none")}
    moved = []
    for trial in by_arm(trials, "concept"):
        before = torch.tensor(clean[trial.spec.task, trial.prompt])
        if trial.spec.strength == 0:
            assert (trial.audit.edited_prompt, trial.audit.delta_norm) == (trial.audit.planned_prompt, 0.0)
            torch.testing.assert_close(torch.tensor(trial.scores.logprobs), before, **tiny.close(lab.subject()))
        else:
            moved.append(float((torch.tensor(trial.scores.logprobs) - before).abs().max()))
    assert min(moved) > 0.01


@pytest.mark.parametrize("name", ["identification", "yes_no", "strength"])
def test_log_probabilities_of_answers_are_those_of_a_plain_pass_with_a_hook_of_our_own(name):
    subject, checked = lab.subject(), 0
    words = subject.chat.tokenizer
    for trial in [trial for trial in read_trials(finished(name)) if trial.finish == "scored"][::3]:
        asked = query(trial.spec, materials_of(name))
        ids = torch.tensor([asked.prompt.ids])
        with torch.inference_mode(), witness.added(subject.model, asked.injections):
            logs = subject.model(input_ids=ids, use_cache=False).logits[0, -1].log_softmax(dim=-1)
        for option, found in zip(trial.spec.options, trial.scores.logprobs, strict=True):
            single = option.isupper() or option.isdigit()
            forms = {option} if single else {option, option.upper(), option[:1].upper() + option[1:]}
            first = {words(lead + form, add_special_tokens=False).input_ids[0] for form in forms for lead in ("", " ")}
            assert found == pytest.approx(float(logs[sorted(first)].logsumexp(dim=0)), abs=1e-3)
            checked += 1
    assert checked >= 16


def test_the_stronger_of_two_injections_is_twice_the_weaker_and_acts_on_another_sentence():
    trials = [
        trial for trial in read_trials(finished("strength")) if trial.spec.task == "compare" and trial.spec.vector
    ]
    assert {trial.spec.arm for trial in trials} == {"concept", "random"}
    for trial in trials:
        stronger, weaker = trial.audits
        assert stronger.delta_norm == pytest.approx(2 * weaker.delta_norm, rel=1e-4)
        (first,), (second,) = stronger.prompt_spans, weaker.prompt_spans
        assert first[1] <= second[0] or second[1] <= first[0]


def test_surprisal_is_what_the_text_costs_and_not_what_stands_before_it():
    subject = lab.subject()
    for trial in [trial for trial in read_trials(finished("competence")) if trial.spec.task == "perplexity"][:4]:
        asked = query(trial.spec, materials_of("competence"))
        start, stop = asked.prompt.tokens_of("text")
        ids = torch.tensor([asked.prompt.ids])
        with torch.inference_mode(), witness.added(subject.model, asked.injections):
            logs = subject.model(input_ids=ids, use_cache=False).logits[0].log_softmax(dim=-1)
        wanted = [-float(logs[at - 1, ids[0, at]]) for at in range(start, stop)]
        assert trial.scores.surprisal == pytest.approx(wanted, abs=1e-3)


def test_the_clean_rank_of_a_word_is_that_of_its_most_probable_spelling():
    subject = lab.subject()
    clean = by_arm(read_trials(finished("injected_thought")), "none")
    for trial in [trial for trial in clean if trial.spec.task == "forced"]:
        asked = query(trial.spec, materials_of("injected_thought"))
        with torch.inference_mode():
            logs = subject.model(input_ids=torch.tensor([asked.prompt.ids]), use_cache=False).logits[0]
        tokens = sorted(subject.chat.first_tokens(trial.spec.concept))
        wanted = [1 + int((logs[at] > logs[at, tokens].max()).sum()) for at in trial.scores.positions]
        assert max(abs(a - b) for a, b in zip(trial.scores.ranks, wanted, strict=True)) <= 1


@functools.cache
def controls_run():
    """One experiment with every family of control vectors, of which both a reply and a choice are read."""
    plan = plan_of("thought_vs_text", arms=("concept", *CONTROLS, "none"), tasks=("choose", "repeat"))
    return sweep(plan, tiny.home() / "run-controls", subject=lab.subject())


@pytest.mark.parametrize("family", CONTROLS)
def test_every_family_of_controls_runs_at_the_norm_of_the_concept_vector(family):
    trials = read_trials(controls_run())
    own = {trial.spec.concept: trial.audit.vector_norm for trial in by_arm(trials, "concept")}
    found = by_arm(trials, family)
    assert len(found) == len(by_arm(trials, "concept")) > 0
    for trial in found:
        assert trial.audit.edit == (family if family in {"swap", "amplify"} else "add")
        assert trial.audit.edited_prompt == trial.audit.planned_prompt > 0
        assert trial.audit.vector_norm == pytest.approx(own[trial.spec.concept], rel=1e-4)
        assert trial.audit.delta_norm == pytest.approx(trial.spec.strength * trial.audit.vector_norm, rel=1e-3)
        assert trial.scale == 1.0


def test_every_family_of_controls_is_another_change():
    read = {}
    for trial in read_trials(controls_run()):
        if trial.finish == "scored" and trial.spec.vector:
            read.setdefault((trial.spec.concept, trial.spec.wording), {})[trial.spec.arm] = trial.scores.logprobs
    for found in read.values():
        assert len(found) == len(set(found.values())) == len(FAMILIES)


@functools.cache
def matched_run():
    """Effects are measured on the paragraphs of the stimulus file, here two short ones."""
    short = {**lab.stimuli().lists, "paragraphs": ("The lift is out of order.", "A yellow van was parked here.")}
    path = tiny.home() / "short.json"
    path.write_text(lab.stimuli().model_copy(update={"lists": short}).model_dump_json(), "utf-8")
    plan = plan_of(
        "steer_then_remove", arms=("concept", "random", "covariance", "amplify", "none"), match="effect",
        layers=(0, 1), strengths=(1.0, 4.0), tasks=("detect/words",), stimuli=str(path),
    )  # fmt: skip
    return plan, sweep(plan, tiny.home() / "run-matched", subject=lab.subject())


def test_matched_controls_change_the_next_token_as_much_as_the_concept_vectors_do():
    _, folder = matched_run()
    effects = read_effects(folder)
    assert len(effects.effects) == 3 * 2 * 2
    assert sum(effect.matched for effect in effects.effects) >= 9
    for effect in effects.effects:
        assert effect.matched == (abs(effect.reached - effect.wanted) <= 0.15 * effect.wanted + 1e-6)
        assert effect.wanted > 0
    wanted = {(effect.layer, effect.strength): effect.wanted for effect in effects.effects}
    assert len(wanted) == 4
    assert all((e.layer, e.strength) in wanted and e.wanted == wanted[e.layer, e.strength] for e in effects.effects)


def test_a_matched_control_is_injected_at_the_strength_that_was_found_and_says_so():
    _, folder = matched_run()
    scales = read_effects(folder).scales
    for trial in read_trials(folder):
        spec = trial.spec
        if spec.vector is None or spec.arm == "concept":
            assert trial.scale == 1.0
        else:
            assert trial.scale == scales[spec.arm, spec.layer, spec.strength]
            size = spec.strength * trial.scale * trial.audit.vector_norm
            assert trial.audit.delta_norm == pytest.approx(size, rel=1e-3)


def test_the_divergence_that_was_reached_is_that_of_plain_passes():
    from introspect.protocols.materials import controlled
    from introspect.records import VectorRef

    plan, folder = matched_run()
    subject, vectors = lab.subject(), load_vectors(folder / VECTORS)
    effects = read_effects(folder)
    effect = next(each for each in effects.effects if each.family == "random" and each.strength == 4.0)
    found = []
    for text in load_stimuli(plan.stimuli).texts("paragraphs"):
        prompt = subject.chat.ask(text)
        first, stop = prompt.everywhere("prompt").prompt[0]
        ids = torch.tensor([prompt.ids])
        with torch.inference_mode():
            clean = subject.model(input_ids=ids).logits[0].log_softmax(dim=-1)
        for name in effects.concepts:
            vector = controlled(vectors, VectorRef(family="random", concept=name), effect.layer)
            made = tiny.request(subject, tiny.MARKED[0], vector * (effect.strength * effect.scale)).injections[0]
            put = type(made)(made.vector, prompt.everywhere("prompt"))
            with torch.inference_mode(), witness.added(subject.model, [put]):
                other = subject.model(input_ids=ids).logits[0].log_softmax(dim=-1)
            each = torch.nn.functional.kl_div(other, clean, log_target=True, reduction="none").sum(dim=-1)
            found.append(float(each[first:stop].mean()))
    assert effects.concepts == plan.concepts[: len(effects.concepts)]
    assert sum(found) / len(found) == pytest.approx(effect.reached, rel=1e-2)


def test_a_cached_injection_leaves_the_last_prompt_token_and_the_reply_as_they_are():
    subject, materials = lab.subject(), materials_of("injected_thought")
    trials = by_arm(read_trials(finished("injected_thought")), "concept")
    cached = [trial.spec.model_copy(update={"where": "cache"}) for trial in trials]
    for trial in run_trials(cached, materials):
        n = len(lab.prompt(trial.spec, subject.chat).ids)
        ((_, stop),) = trial.audit.prompt_spans
        assert stop == n - 1
        assert (trial.audit.planned_generated, trial.audit.edited_generated) == (0, 0)
        assert trial.audit.edited_prompt == trial.audit.planned_prompt > 0
    spoken = next(spec for spec in cached if spec.task == "report")
    with witness.Followed(subject) as seen:
        (reply,) = subject.generate([request(spoken, materials)])
    n = len(reply.request.prompt.ids)
    assert max(seen.before[1]) >= n  # reply tokens were fed back, so there was something to leave alone
    assert seen.edited(1) == list(range(lab.prompt(spoken).tokens_of("trial")[0], n - 1))


def test_a_cached_injection_reaches_what_is_read_and_another_one_does_not_reach_it_at_the_last_layer():
    materials = materials_of("yes_no")
    trial = next(each for each in by_arm(read_trials(finished("yes_no")), "concept") if each.spec.fill["lead"])
    clean = trial.spec.model_copy(update={"vector": None, "layer": None, "strength": None})
    reached = trial.spec.model_copy(update={"where": "cache"})
    too_late = reached.model_copy(update={"layer": tiny.N_LAYERS - 1})
    found = {
        each.spec.key: torch.tensor(each.scores.logprobs) for each in run_trials([clean, reached, too_late], materials)
    }
    torch.testing.assert_close(found[too_late.key], found[clean.key], **tiny.close(lab.subject()))
    assert (found[reached.key] - found[clean.key]).abs().max() > 0.01


def test_a_subject_that_writes_the_sentence_is_read_as_one_into_whose_mouth_it_is_put():
    materials = materials_of("intentional_control")
    trials = [trial for trial in read_trials(finished("intentional_control")) if trial.spec.task in {"think", "gift"}]
    for forced in trials:
        changes = {"arm": "sampled", "max_new_tokens": 40, "temperature": 1.0}
        sampled = forced.spec.model_copy(update=changes)
        ids = lab.tokenizer()(forced.spec.fill["sentence"]).input_ids
        with witness.told(lab.subject(), [*ids, lab.tokenizer().eos_token_id]):
            (trial,) = run_trials([sampled], materials)
        assert (trial.reply, trial.finish) == (forced.spec.fill["sentence"], "stop")
        for name, curve in forced.scores.curves.items():
            assert trial.scores.curves[name] == pytest.approx(curve, abs=1e-3)
    (other,) = run_trials([sampled.model_copy(update={"max_new_tokens": 4})], materials)
    assert other.reply != forced.spec.fill["sentence"]  # what random weights write
    assert other.scores is None


def test_a_short_beginning_of_a_run_does_not_change_what_its_rest_is_made_of(tmp_path):
    """A subset without some families of controls, then the whole plan: vectors and effects have to do for both."""
    plan, whole = matched_run()
    folder = tmp_path / "run"
    sweep(plan, folder, max_trials=1, subject=fresh())
    assert not by_arm(read_trials(folder), "covariance")
    sweep(plan, folder, subject=fresh())
    assert lines(folder) == lines(whole)


def test_effects_are_matched_for_every_control_of_a_run_also_where_it_began_with_a_few(tmp_path):
    plan, _ = matched_run()
    plan, folder = plan.model_copy(update={"arms": ("concept", "random", "amplify")}), tmp_path / "run"
    sweep(plan, folder, max_trials=1, subject=fresh())
    sweep(plan, folder, subject=fresh())
    cells = {
        (family, layer, strength) for family in ("random", "amplify") for layer in (0, 1) for strength in (1.0, 4.0)
    }
    assert set(read_effects(folder).scales) == cells


def test_controls_that_need_the_baseline_s_activations_are_refused_before_the_run_where_pairs_have_none():
    plan = plan_of("yes_no", arms=("covariance", "none"), concepts="example_pairs", n_concepts=2, method="pair_mean")
    with pytest.raises(PlanError, match="covariance"):
        prepare(plan, subject=lab.subject())


def test_a_prompt_that_does_not_fit_the_context_is_refused_before_the_run_whichever_item_has_it(tmp_path):
    long = {**lab.stimuli().lists, "paragraphs": ("A short one.", "A long one. " * 200, "Another short one.")}
    path = tmp_path / "mine.json"
    path.write_text(lab.stimuli().model_copy(update={"lists": long}).model_dump_json(), "utf-8")
    plan = plan_of("competence", stimuli=str(path), n_items=3, tasks=("perplexity",))
    with pytest.raises(SubjectError, match="exceed the context"):
        prepare(plan, subject=lab.subject())


def test_a_concept_without_trials_has_a_vector_and_a_name_on_offer_and_one_nobody_knows_is_refused(tmp_path):
    plan = plan_of("injected_thought", concepts=lab.FEW, only=("dust",), side="report", wordings=("brief",))
    plan = plan.model_copy(update={"tasks": ("report", "name"), "temperature": 0.0})
    folder = sweep(plan, tmp_path / "run", subject=lab.subject())
    assert set(load_vectors(folder / VECTORS).directions) == set(lab.FEW)
    trials = read_trials(folder)
    assert {trial.spec.concept for trial in trials} == {"dust", None}
    for trial in trials:
        if trial.spec.task == "name":
            assert set(trial.spec.options) <= set(lab.FEW)
            assert len(trial.scores.logprobs) == len(trial.spec.options) > 3
    with pytest.raises(UnknownNameError, match="no concept named 'dusk'; did you mean 'dust'"):
        prepare(plan.model_copy(update={"only": ("dusk",)}), subject=lab.subject())


def test_nothing_of_an_experiment_is_left_on_the_model():
    for name in ("intended_or_prefilled", "intentional_control"):
        finished(name)
    controls_run()
    assert witness.n_hooks(lab.subject().model) == 0
    assert not any("forward" in vars(module) for module in lab.subject().model.modules())
    assert (matched_run()[1] / EFFECTS).is_file()
