use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

my $folder = dirname(abs_path(__FILE__));
require "$folder/handler.pl";

my $answer = handle('you', { method => 'POST', path => '/', query => '', headers => {} });
$answer eq "Hello, you!\n" or die "the wrong greeting: $answer";
