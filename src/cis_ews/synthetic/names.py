"""Word lists for made-up names: accents, apostrophes, other alphabets and a comma, as real rosters have them."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    """
    Ada Aiden Aisha Alma Amara Amélie Andre Anika Asher Aurora Beatriz Ben Björn Caleb Camila Carmen Chloë Cora
    Dalia Daniel Dashiell Diego D'Andre Eli Elena Emil Esther Ezra Farid Fatima Felix Freya Gabriel Gia Hana
    Hassan Hazel Henry Ines Inga Isaiah Ivy Jada Jaime Jasper Joaquín José Jude Kaia Kai Keanu Kenji Kofi Lana
    Leila Leo Léa Lila Luca Lucía Luz Maeve Malik María Mateo Maya Mei Micah Mila Milo Nadia Naomi Nia Nico Noor
    Nora Obi Odette Omar Opal Oscar Paloma Pedro Phoebe Priya Quinn Rafael Ravi Renée Rosa Ruben Ruth Sabine
    Samir Saoirse Selma Seth Simone Sofía Søren Talia Tariq Theo Tomás Tyrell Uma Vera Victor Wren Xavier Ximena
    Yara Yusuf Zara Zoë Zuri Анна Иван Олена 美咲 健太 志明 اميرة یوسف ሰላም Mary-Kate Ngọc Thảo
    """
)
_ONE_WORD_LAST_NAMES = _words(
    """
    Abbott Acosta Adeyemi Ahmed Alder Andersen Åkesson Baker Barrow Bautista Begay Bell Bergström Blackwood
    Brooks Byrne Cabrera Calloway Castañeda Chen Choi Cortez Cruz D'Angelo Dalgaard Davis Delacroix Diaz Dubois
    Ellis Espinoza Fairchild Faleolo Farah Fields Fischer Flores Foster Fuentes Gallagher García Ghosh Greene
    Gutiérrez Haile Hale Hansen Harjo Hayes Hernández Holloway Huang Ibarra Ito Ivers Jackson Jiménez Johansson
    Jones Joseph Kahale Kaur Keller Khan Kim Kowalczyk Lam Larsen Lee López Lund Macías Marsh Martínez McCall
    Mendoza Miller Mohamed Moreau Muñoz Nakamura Navarro Nguyễn Novák O'Brien O'Neill Okafor Olsen Ortega Osei
    Park Patel Peña Pham Pike Popescu Quintero Ramírez Reyes Rios Robinson Rowe Saechao Saito Salazar Sandoval
    Santos Schäfer Shaw Silva Singh Sjöberg Smith Sorensen Soto Stone Suárez Tanaka Tesfaye Thomas Torres Tran
    Tuiasosopo Underhill Vance Vargas Vega Vu Walker Warsame Watts White Whitehorse Williams Winters Wong
    Yamamoto Yazzie Young Zamora Zielińska Петренко Соколова 王 陳 佐藤 김 حسن Smith-O'Hara
    """
)
LAST_NAMES = (*_ONE_WORD_LAST_NAMES, "de la Cruz", "van der Berg", "St. Clair", "Rivers, Jr.")
PLACE_FIRST = _words(
    """
    Alder Bear Birch Cedar Clear Cold Coyote Deer Eagle Elk Fern Fox Granite Hawk Hemlock Heron Juniper Lake
    Larch Lupine Maple Meadow Mill North Otter Pine Quail Raven River Sage Salmon Silver Spruce Stone Sun
    Tamarack Trillium Willow Wren Peña
    """
)
PLACE_SECOND = _words(
    """
    Bay Bend Bluff Bridge Brook Butte Canyon Creek Crossing Falls Ferry Field Flats Fork Glen Grove Harbor
    Heights Hill Hollow Island Landing Ledge Meadow Mesa Pass Point Pond Prairie Ridge Rock Shore Spring Summit
    Vale Valley View Woods
    """
)
MINOR_BEHAVIORS = _words(
    """
    disruption disrespect defiance inappropriate_language horseplay technology_misuse tardy_to_class
    property_misuse dress_code academic_dishonesty
    """
)
MAJOR_BEHAVIORS = _words(
    """
    fighting_without_major_injury harassment_intimidation_bullying theft vandalism tobacco_or_vapor marijuana
    alcohol physical_aggression threat abusive_language weapon
    """
)
