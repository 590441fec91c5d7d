"""Concepts come whole from the shipped lists and from anybody's own files, or with a sentence that says why not."""

import pytest

from introspect.concepts import Concept, ConceptSet, find_concept, load_concepts, shipped_lists
from introspect.errors import StimulusError, UnknownNameError
from introspect.words import matches

CATEGORIES = ("abstract_nouns", "concrete_nouns", "countries", "famous_people", "verbs")


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "n", "distinct"),
    [("lindsey_concepts", 50, 50), ("lindsey_baseline", 100, 99), ("lindsey_control_words", 100, 100)]
    + [(f"category_{category}", 50, 50) for category in CATEGORIES],
)
def test_the_published_lists_are_complete(name, n, distinct):
    loaded = load_concepts(name)
    assert (len(loaded.names), len(set(loaded.names))) == (n, distinct)
    assert "Lindsey (2025)" in loaded.source


def test_every_shipped_list_loads_with_a_title_and_a_source():
    assert {name for name in shipped_lists() if name.startswith("category_")} == {f"category_{c}" for c in CATEGORIES}
    for name in shipped_lists():
        loaded = load_concepts(name)
        assert loaded.title != name
        assert loaded.source


def test_no_concept_word_is_also_a_baseline_word():
    assert not set(load_concepts("lindsey_concepts").names) & set(load_concepts("lindsey_baseline").names)


def test_no_form_names_two_concepts_of_the_experiment():
    forms = [form.lower() for concept in load_concepts("lindsey_concepts").members for form in set(concept.forms)]
    assert len(set(forms)) == len(forms)


def test_a_concept_is_called_by_its_lower_case_word_and_known_by_its_aliases():
    concept = Concept(word="Bread", aliases=("loaf",))
    assert (concept.name, concept.forms) == ("bread", ("bread", "loaf"))


def test_a_near_neighbour_does_not_name_a_concept_and_does_not_change_its_vector():
    concept = Concept(word="Bread", aliases=("loaf",), near=("flour",))
    assert "flour" not in concept.forms
    assert ConceptSet(concept=(concept,)).digest == ConceptSet(words=("bread",)).digest


def test_every_concept_of_the_experiment_has_neighbours_that_are_no_form_of_it():
    for concept in load_concepts("lindsey_concepts").members:
        assert len(set(concept.near)) == len(concept.near) >= 3
        assert not [word for word in concept.near if matches(word, concept.forms)]


def test_words_are_found_in_the_shipped_lists_with_their_aliases():
    loaded = load_concepts((" dust ", "Ireland"))
    assert loaded.names == ("dust", "ireland")
    assert "dusty" in loaded.get("DUST").forms


def test_a_word_in_two_shipped_lists_keeps_its_aliases():
    own = load_concepts("lindsey_concepts")
    shared = [name for name in load_concepts("category_concrete_nouns").names if name in own.names]
    assert shared == ["mirrors", "trees", "cameras", "phones"]
    assert [find_concept(name) for name in shared] == [own.get(name) for name in shared]


@pytest.mark.parametrize("source", [("trumpet",), ("Trumpts",)])
def test_a_misspelled_word_is_refused_with_the_near_miss(source):
    with pytest.raises(UnknownNameError, match="did you mean 'trumpets'"):
        load_concepts(source)


def test_a_misspelled_list_is_refused_with_the_near_miss_and_the_lists():
    with pytest.raises(UnknownNameError, match=r"did you mean 'lindsey_concepts'.*category_verbs"):
        load_concepts("lindsey_concept")


def test_a_missing_concept_of_a_set_is_refused_with_the_near_miss():
    with pytest.raises(UnknownNameError, match="did you mean 'constellations'"):
        load_concepts("lindsey_concepts").get("constelations")


def test_a_file_of_one_s_own_words_is_read_in_order(tmp_path):
    path = write(tmp_path, "mine.toml", 'title = "Mine"\nwords = ["Quartz", "Moss"]')
    loaded = load_concepts(path)
    assert (loaded.title, loaded.names) == ("Mine", ("quartz", "moss"))


def test_a_file_of_one_s_own_pairs_is_read_with_its_texts(tmp_path):
    words = '[[concept]]\nword = "loud"\naliases = ["noisy"]\nnear = ["shout"]\n'
    toml = words + 'pairs = [["HEY!", "Hey."], ["NOW!", "Now."]]'
    csv = 'concept,positive,negative\nloud,HEY!,Hey.\ncalm,"So, so.",SO!\nloud,NOW!,Now.\n'
    from_toml = load_concepts(write(tmp_path, "pairs.toml", toml)).get("loud")
    from_csv = load_concepts(write(tmp_path, "pairs.csv", csv))
    assert from_toml.pairs == from_csv.get("loud").pairs == (("HEY!", "Hey."), ("NOW!", "Now."))
    assert (from_toml.forms, from_toml.near) == (("loud", "noisy"), ("shout",))
    assert from_csv.names == ("loud", "calm")
    assert from_csv.get("calm").pairs == (("So, so.", "SO!"),)


def test_a_csv_file_of_words_may_have_aliases_and_gaps(tmp_path):
    path = write(tmp_path, "mine.csv", "word,aliases\nBread,loaf | loaves |\nMoss,\n,\nQuartz\n")
    loaded = load_concepts(path)
    assert [concept.forms for concept in loaded.members] == [("bread", "loaf", "loaves"), ("moss",), ("quartz",)]
    assert load_concepts(write(tmp_path, "plain.csv", "word\nBread\n")).get("bread").forms == ("bread",)


@pytest.mark.parametrize(("name", "text"), [("w.csv", "word\nÉclair\n"), ("w.toml", 'words = ["Éclair"]')])
def test_a_file_saved_with_a_byte_order_mark_is_read_like_one_without(tmp_path, name, text):
    assert load_concepts(write(tmp_path, name, text, "utf-8-sig")) == load_concepts(write(tmp_path, name, text))
    assert load_concepts(tmp_path / name).names == ("éclair",)


def test_a_relative_file_starts_at_the_given_folder(tmp_path):
    write(tmp_path, "mine.csv", "word\nMoss\n")
    assert load_concepts("mine.csv", folder=tmp_path).names == ("moss",)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "words = [", r"a.toml is not TOML: .*\("),
        ("a.toml", '[[concept]]\nword = "x"\nalias = ["y"]', "wrong entry at concept.0.alias: Extra inputs"),
        ("a.toml", "[[concept]]\naliases = []", "wrong entry at concept.0.word: Field required"),
        ("a.toml", '[[concept]]\nword = ""', "wrong entry at concept.0.word: String should have at least 1"),
        ("a.toml", '[[concept]]\nword = "x"\npairs = [["one"]]', "wrong entry at concept.0.pairs.0"),
        ("a.toml", 'title = "nothing"', "wrong entry at file: .*the list holds no concept"),
        ("a.csv", "", "needs a header with the column word .* it has: no rows"),
        ("a.csv", "wrod,aliases\nBread,loaf\n", "needs a header .* it has: aliases, wrod"),
        ("a.csv", "concept,positive\nloud,HEY!\n", "needs a header .* it has: concept, positive"),
    ],
)
def test_a_file_that_holds_no_concepts_is_refused_with_the_entry(tmp_path, name, text, sentence):
    with pytest.raises(StimulusError, match=sentence):
        load_concepts(write(tmp_path, name, text))


def test_a_file_that_is_not_there_is_not_taken_for_a_misspelled_list(tmp_path):
    for name in ("mine.csv", "mine.toml"):
        with pytest.raises(StimulusError, match=f"there is no concept file .*{name}"):
            load_concepts(tmp_path / name)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(StimulusError, match="cannot be read as UTF-8 text"):
        load_concepts(write(tmp_path, "mine.csv", "word\nÉclair\n", "latin-1"))


def test_a_sample_is_the_same_for_the_same_seed_and_keeps_the_order_of_the_file():
    whole = load_concepts("lindsey_concepts")
    names = whole.sample(5, seed=0).names
    assert names == whole.sample(5, seed=0).names
    assert sorted(names, key=whole.names.index) == list(names)
    assert len({whole.sample(5, seed=seed).names for seed in range(20)}) == 20


def test_every_concept_is_drawn_about_as_often_as_any_other():
    whole = load_concepts("lindsey_concepts")
    drawn = [name for seed in range(1000) for name in whole.sample(5, seed).names]
    counts = [drawn.count(name) for name in whole.names]
    assert 60 < min(counts) <= max(counts) < 140  # 100 expected, standard deviation 9.5


def test_a_sample_larger_than_the_list_is_refused():
    with pytest.raises(StimulusError, match="n_concepts = 51, but the list 'Fifty concept words' has 50"):
        load_concepts("lindsey_concepts").sample(51, seed=0)


def test_a_baseline_may_repeat_a_word_but_a_grid_may_not():
    baseline = load_concepts("lindsey_baseline")
    with pytest.raises(StimulusError, match="twice"):
        baseline.unique()
    whole = load_concepts("lindsey_concepts")
    assert whole.unique() is whole


def test_two_spellings_of_one_word_are_the_same_concept_twice():
    with pytest.raises(StimulusError, match="the list 'given' has these concepts twice: bread"):
        ConceptSet(words=("Bread", "bread", "Moss")).unique()


def test_the_hash_of_a_list_follows_what_makes_a_vector_and_nothing_else():
    plain = ConceptSet(words=("Bread", "Moss"))
    titled = ConceptSet(title="T", concept=(Concept(word="bread", aliases=("loaf",)), Concept(word="moss")))
    assert plain.digest == titled.digest
    assert plain.digest != ConceptSet(words=("Moss", "Bread")).digest
    assert plain.digest != ConceptSet(concept=(Concept(word="Bread", pairs=(("a", "b"),)),), words=("Moss",)).digest


def test_several_lists_are_one_list_in_which_a_concept_of_two_of_them_is_the_first_ones():
    both = load_concepts("lindsey_concepts+lindsey_control_words")
    first, second = load_concepts("lindsey_concepts"), load_concepts("lindsey_control_words")
    assert both.names[: len(first.names)] == first.names
    assert set(both.names) == {*first.names, *second.names}
    assert both.unique() is both
    aliases = {concept.name: concept.aliases for concept in first.members}
    assert all(both.get(name).aliases == own for name, own in aliases.items())


def test_a_wrong_name_among_several_lists_is_named():
    with pytest.raises(UnknownNameError, match=r"'lindsey_control_word'.*did you mean 'lindsey_control_words'"):
        load_concepts("lindsey_concepts+lindsey_control_word")


def test_a_row_with_more_cells_than_the_header_is_refused_and_not_cut(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("concept,positive,negative\nbread,I eat bread, often,I eat\n")
    with pytest.raises(StimulusError, match="row 1 of .* has more cells than its header; quote cells with commas"):
        load_concepts(file)


def test_a_line_end_inside_a_quoted_cell_stays_in_it(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text('concept,positive,negative\nbread,"I eat\nbread \u2028 often",I eat\n', encoding="utf-8")
    assert load_concepts(file).members[0].pairs == (("I eat\nbread \u2028 often", "I eat"),)
