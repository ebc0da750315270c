"""Names of people who do not exist, as they are written where they come from: data, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language with names that are usual where it is spoken; `shown_whole` ones go into one field, family first."""

    code: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    shown_whole: bool = False


def _words(text: str) -> tuple[str, ...]:
    """Return the names of a line: a comma where names have spaces inside, else a space."""
    return tuple(name.strip() for name in (text.split(",") if "," in text else text.split()))


TONGUES = (
    Tongue(
        "en",
        _words("Alice, Oliver, Grace, Harry, Mary Ann, Jack, Isla, Ruth, Lily-Rose, Thomas, Margaret, Kwame"),
        _words("Smith, Ward-Hughes, Clarke, St John, Featherstonehaugh, Bennett, Okoro, D'Arcy, Fletcher, Penn"),
    ),
    Tongue("en", _words("Niamh Siobhán Aoife Róisín"), _words("O'Sullivan, Ní Bhriain, O'Dwyer-Walsh, Byrne")),
    Tongue("en", _words("Conor Pádraig Ciarán"), _words("O'Sullivan, Mac Giolla Phádraig, Ó Conaill")),
    Tongue(
        "de",
        _words("Jürgen, Ursula, Karl-Heinz, Anneliese, Björn, Käthe, Matthias, Friederike, Sören, Heike"),
        _words("Müller, Groß, Schäfer, von der Heide, Weiß, Müller-Lüdenscheidt, Köhler, Strauß, Jäger, Kühn"),
    ),
    Tongue(
        "de",
        _words("Lena, Finn, Hannelore, Emil, Gisela, Paul, Mathilde, Otto"),
        _words("Schröder, Böhm, Freiherr von Rothe, Lange, Öztürk-Braun, Voß"),
    ),
    Tongue(
        "pl",
        _words("Łucja Małgorzata Świętosława Bożena Agnieszka"),
        _words("Wiśniewska Błaszczyk Żółtowska Wójcik-Nowak Dąbrowska"),
    ),
    Tongue("pl", _words("Zbigniew Grzegorz Jędrzej Wojciech"), _words("Szczęsny Błaszczyk Kędzierski Wójcik")),
    Tongue(
        "tr",
        _words("Ayşe İbrahim Gülşen Çağlar Işıl Ömer Şebnem Yiğit"),
        _words("Yıldız Çelik Öztürk Şahin Güneş Kılıç Doğan"),
    ),
    Tongue(
        "vi",
        _words("Thị Minh Khai, Văn Hùng, Ngọc Ánh, Quốc Đạt, Thùy Dương, Hữu Phước"),
        _words("Nguyễn, Trần, Phạm, Đặng, Huỳnh, Bùi"),
    ),
    Tongue(
        "ar",
        _words("فاطمة, محمد, ليلى, يوسف, نور الهدى, عبد الرحمن"),
        _words("الخطيب, حدّاد, المصري, بن علي, العبدالله, نجّار"),
    ),
    Tongue("ar", _words("Layla, Omar, Nour, Abd al-Karim, Hala"), _words("Al-Masri, Haddad, Ben Ali, El-Sayed")),
    Tongue("zh", _words("小明 秀英 伟 雨桐 建国"), _words("王 李 欧阳 陈 刘"), shown_whole=True),
    Tongue("zh", _words("Xiaoming, Li Hua, Mei-Ling, Jianguo, Ü-Ying"), _words("Wang, Ouyang, Lü, Zhang, Xu")),
    Tongue("ja", _words("花子 健太 美咲"), _words("佐藤 鈴木 長谷川"), shown_whole=True),
    Tongue("ko", _words("서연 민준 지우"), _words("김 박 남궁"), shown_whole=True),
    Tongue("el", _words("Ελένη Αναστασία Χρυσούλα"), _words("Παπαδοπούλου Οικονόμου Βλάχου")),
    Tongue("el", _words("Γιώργος Δημήτρης"), _words("Παπαδόπουλος Οικονόμου Χατζηγεωργίου")),
    Tongue(
        "uk",
        _words("Олена Тарас Мар'яна Богдан Ярослава"),
        _words("Шевченко Коваленко Дем'яненко Їжакевич Гончар"),
    ),
    Tongue("ru", _words("Наталья Ольга"), _words("Королёва Щукина")),
    Tongue("ru", _words("Дмитрий Фёдор"), _words("Соловьёв Щукин")),
    Tongue("he", _words("נועה דוד רחל"), _words("לוי כהן בן־דוד")),
    Tongue(
        "yo",
        _words("Olúwaṣeun Ṣadé Adébáyọ̀ Fúnmiláyọ̀ Táíwò Kẹ́hìndé"),
        _words("Adéyẹmí Ọlátúnjí Ògúnlẹ́sì Adékúnlé-Balógun"),
    ),
    Tongue("is", _words("Guðrún Sigríður Ásta"), _words("Jónsdóttir Þorsteinsdóttir")),
    Tongue("is", _words("Þórður Ægir"), _words("Ólafsson Björnsson")),
    Tongue(
        "pt",
        _words("Maria João, Conceição, Antônio, Luís Filipe, Inês"),
        _words("de Oliveira e Silva, Gonçalves, dos Santos Araújo, Magalhães, d'Ávila"),
    ),
    Tongue(
        "es",
        _words("María José, Íñigo, Begoña, Ángel, Nuria"),
        _words("García Márquez, Núñez, Ibáñez de la Cruz, Peña, Gutiérrez"),
    ),
    Tongue(
        "fr",
        _words("Anne-Marie, François, Zoé, Jean-Baptiste, Hélène"),
        _words("Lefèvre, d'Estaing, Dubois-Noël, Garçon, L'Hôpital"),
    ),
    Tongue("it", _words("Niccolò, Chiara, Maria Grazia, Nicolò"), _words("D'Angelo, Dell'Acqua, Rossi, De Santis")),
    Tongue("nl", _words("Joris, Anouk, Willemijn"), _words("van der Berg, 't Hart, de Vries, in 't Veld")),
    Tongue("sv", _words("Åsa Göran Ebba"), _words("Åkesson Sjöström Öberg")),
    Tongue("fi", _words("Päivi Väinö Aino"), _words("Hämäläinen Mäki Yrjölä")),
    Tongue("cs", _words("Kateřina Božena"), _words("Dvořáková Šťastná")),
    Tongue("cs", _words("Jiří Zdeněk"), _words("Růžička Šťastný")),
    Tongue("hu", _words("Éva, György, Zsófia"), _words("Nagy, Szőke, Kőszegi-Tóth")),
    Tongue("ro", _words("Ștefan Ioana Ancuța"), _words("Ionescu Țăranu Bălănescu")),
    Tongue("hr", _words("Željka Đuro Marija"), _words("Kovačić Šimić Đurđević")),
    Tongue("hi", _words("प्रिया अर्जुन लक्ष्मी"), _words("शर्मा वर्मा श्रीवास्तव")),
    Tongue("ta", _words("S., K. R., Meenakshi"), _words("Ramanathan Venkatasubramanian Subramaniam")),
    Tongue("bn", _words("Anjali, Md. Rafiq, Shirin"), _words("Chattopadhyay, Islam, Haque")),
    Tongue("th", _words("สมชาย มาลี"), _words("ใจดี ศรีสุวรรณ")),
    Tongue("ka", _words("ნინო გიორგი"), _words("ბერიძე კვარაცხელია")),
    Tongue("hy", _words("Անահիտ Արամ"), _words("Սարգսյան Պետրոսյան")),
    Tongue("am", _words("ሰላም ዳዊት"), _words("ተስፋዬ በቀለ")),
    Tongue("so", _words("Hodan, Abdi Nur, Faadumo"), _words("Maxamed Cali, Warsame, Jaamac")),
    Tongue("cy", _words("Llŷr Angharad Siân"), _words("Llewellyn Gruffydd Prys-Jones")),
    Tongue("haw", _words("Kaʻiulani, Noe"), _words("Kealoha, Kamakawiwoʻole")),
)

# Some people have one name.
SINGLE_NAMES = (("id", "Wulandari"), ("id", "Suryono"), ("my", "Thida"), ("ta", "Kavitha"), ("en", "Morwenna"))

ACCESS_NEEDS = (
    "Uses a wheelchair: a room without steps, please.",
    "Hard of hearing: speak face to face, and write times down.",
    "Blind; comes with a guide dog.",
    "Faints at the sight of needles: lying down from the start.",
    "Needs large print.",
    "Autistic: say beforehand what will happen, no small talk.",
    "Walks with a frame: ten minutes more to get ready.",
    "Deaf; British Sign Language. Never by telephone.",
)
