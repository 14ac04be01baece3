# One request: its body goes from stdin through handle() of function/handler.pl to stdout.
use strict;
use warnings;

use lib './function';

require './function/handler.pl';

binmode $_ for *STDIN, *STDOUT;
select STDERR; # what a handler prints belongs to the log
my $body = do { local $/; <STDIN> } // '';

my %headers;
for (grep { /^Http_/ } keys %ENV) {
    my $name = lc substr $_, length 'Http_';
    $headers{ $name =~ tr/_/-/r } = $ENV{$_};
}
delete @headers{qw(method path query)};

my $answer = handle(
    $body,
    {
        method  => $ENV{Http_Method},
        path    => $ENV{Http_Path},
        query   => $ENV{Http_Query} // '',
        headers => \%headers,
    },
) // '';

die "handle() returned a reference, not a string\n" if ref $answer;
utf8::downgrade($answer, 1) or die "handle() returned characters, not bytes: see utf8::encode\n";

print STDOUT $answer or die "stdout: $!\n";
close STDOUT or die "stdout: $!\n";
