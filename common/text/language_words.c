#include "text/language_words.h"

/* Articles, prepositions, pronouns, conjunctions and forms of "to be" and "to have". */

const struct language_words language_words[] = {
    {"en", "the of and to in is that for it as was with be by on not he his but at are this "
           "have from or had an they which one you were all her she there would their we him "
           "been has when who will no more if out so up what its about than into them can only "
           "other time new some could these two may first then do any like my now over such "
           "our even most me after also did many off before must well back through years where "
           "much your way down should because each just those how too good very make still see "
           "being here between both under never same another know while last us might great "
           "since against came right used use does using"},
    {"de", "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als "
           "auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie "
           "einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein "
           "wurde kann wenn unter ich diese dieser wir gegen vom können schon habe ihre dann "
           "ihr alle beim doch hier werde keine seine kein sollte müssen wurden"},
    {"fr", "de la le et les des en un du une que est pour qui dans par plus pas au sur ne se "
           "ce il sont avec elle ou son aux mais comme on tout nous sa cette fait été aussi "
           "leur bien peut ces y deux même si sans lui ont entre après tous vous être faire "
           "avait dont ses où très je encore avant fois cela ainsi sous était lorsque peuvent"},
    {"es", "de la que el en y a los se del las un por con no una su para es al lo como más o "
           "pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también "
           "fue había era muy años hasta desde está mi porque qué sólo han yo hay vez puede "
           "todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora otro otros "
           "cada"},
    {"it", "di che e la il un a per è in una mi sono ho non ma lo ha le si ti i con cosa se io "
           "come da ci no questo qui hai sei del bene tu al mio perché solo te era gli tutto "
           "della così più delle degli dei alla nel sua suo anche quando questa dalla nella "
           "dal alle essere viene può ed loro tra stato"},
    {"pt", "de a o que e do da em um para é com não uma os no se na por mais as dos como mas "
           "foi ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo "
           "pela até isso ela entre era depois sem mesmo aos ter seus quem nas me esse eles "
           "estão você tinha foram essa num nem suas meu às minha são pode"},
    {"nl", "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er "
           "maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij "
           "uit der daar haar naar heb hoe heeft hebben deze u want nog zal me zij nu ge geen "
           "omdat iets worden toch al waren veel meer doen toen moet ben zonder kan hun dus "
           "alles onder ja wordt wordt kunnen deze"},
    {"sv", "och i att det som en på är av för med den till inte har de ett om han var men jag "
           "sig från vi så kan när år ska under också efter eller nu sin där vid mot skulle "
           "vara ut ingen då hade alla mycket än upp bara över få finns detta denna måste"},
    {"da", "og i at det er en til af som på de med den for der ikke et har jeg var han fra kan "
           "men sig vil om hun havde også skal eller efter ved da så være blev hvor når nu ud "
           "bliver mere under meget disse denne hvis kun alle mod dette"},
    {"nb", "og i det på som er en til å for av at med de ikke den har jeg var et han fra om "
           "men seg kan så vil ble hun også skal eller etter ved da hadde være når nå ut blir "
           "mer under mye disse denne hvis bare alle mot dette noen etter oss"},
    {"fi", "ja on ei se että oli hän en ole mutta kun niin mitä jos hänen kuin tai minä tämä "
           "nyt sen mukaan myös ovat vain joka sitä voi siitä ollut jotka kanssa sekä siinä ne "
           "olla vielä jo kaikki mukaan hyvin eivät tätä koko jälkeen voidaan"},
    {"pl", "w i na z do się nie jest to że o od przez po jak za oraz dla jego ale są co tym "
           "które był lub być ma który przy może tak jej już tylko jako ich pod więc można ze "
           "czy przed było tego bez ten jeśli przypadku należy"},
    {"cs", "a v se na je že s z o to do i ve by byl pro jako za od které po jeho si jsou ale "
           "který tak není jsem být také už při nebo než jen co podle až první která jejich "
           "této může bylo pokud lze tato"},
    {"hu", "a az és hogy nem is egy ez van volt meg csak de már mint ha el ki még sem ezt vagy "
           "kell azt mert után minden majd lehet pedig nagy több amely lesz úgy között szerint"},
    {"ro", "de și în a la cu o din pe nu că se un este pentru mai au care sunt ca prin sau dar "
           "cel al fi fost după ce lui ale într această acest când iar fără până toate poate "
           "dacă"},
    {"tr", "ve bir bu da de için ile çok olarak daha en gibi olan kadar ne var ise her o sonra "
           "ama ya değil mi olduğu iki diye bunu şey olduğunu veya göre ancak nasıl zaman olur"},
    {"id", "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena "
           "ada mereka oleh telah dapat seperti lebih atau sudah kita bisa tersebut adalah "
           "anda jika saat bahwa menjadi hanya secara masih setelah"},
    {"vi", "và của là có được cho không một các trong với người những này khi đã để từ đến như "
           "cũng tôi về ra còn phải nếu hoặc bạn vào sẽ trên theo tại nhiều"},
    {"ca", "de la i el que a en les un per és els amb una del no es dels al com més o se "
           "aquest són ser també va seva seu ha però aquesta pel hi han sobre quan fins molt "
           "així estat aquests cada entre"},
};

const unsigned language_words_count = sizeof language_words / sizeof *language_words;
